#include "arrays.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// As in astro_jax/deploy/check.py.
static const double TOLERANCE = 1e-3, ON_EDGE = 0.01, SAME_PLAN = 0.03;

static const size_t MOST_BYTES = (size_t)64 << 20;

uint8_t* file_read(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  uint8_t* data = NULL;
  if (file && !fseek(file, 0, SEEK_END)) {
    long length = ftell(file);
    if (length >= 0 && (size_t)length <= MOST_BYTES && !fseek(file, 0, SEEK_SET)) {
      data = malloc((size_t)length + 1);
      if (data && fread(data, 1, (size_t)length, file) != (size_t)length) {
        free(data);
        data = NULL;
      }
      if (data) data[*size = (size_t)length] = 0;
    }
  }
  if (file) fclose(file);
  if (!data) fprintf(stderr, "%s: cannot be read\n", path);
  return data;
}

static size_t size_of(array_type_t type) { return type == TYPE_BOOL ? 1 : 4; }

// One line: in|out TYPE HELD RANK SIZE... NAME
static bool parse(char* line, char* way, array_t* array) {
  static const char* const types[] = {"f32", "i32", "u32", "bool"};
  static const char* const held[] = {"same", "near", "any"};
  char* rest = NULL;
  char* word = strtok_r(line, " ", &rest);
  if (!word || strlen(word) > 3) return false;
  strcpy(way, word);
  int type = -1, hold = -1;
  word = strtok_r(NULL, " ", &rest);
  for (int i = 0; word && i < 4; ++i) type = strcmp(word, types[i]) ? type : i;
  word = strtok_r(NULL, " ", &rest);
  for (int i = 0; word && i < 3; ++i) hold = strcmp(word, held[i]) ? hold : i;
  word = strtok_r(NULL, " ", &rest);
  if (type < 0 || hold < 0 || !word) return false;
  *array = (array_t){.type = (array_type_t)type, .held = (held_t)hold, .count = 1};
  array->rank = strtoul(word, NULL, 10);
  if (array->rank > MOST_AXES) return false;
  for (size_t i = 0; i < array->rank; ++i) {
    if (!(word = strtok_r(NULL, " ", &rest))) return false;
    array->shape[i] = strtoull(word, NULL, 10);
    if (array->shape[i] > MOST_BYTES || array->count > MOST_BYTES) return false;
    array->count *= array->shape[i];
  }
  array->bytes = array->count * size_of(array->type);
  word = strtok_r(NULL, " ", &rest);
  if (!word || strlen(word) > LONGEST_NAME || array->bytes > MOST_BYTES) return false;
  strcpy(array->name, word);
  return true;
}

bool arrays_read(const char* list_path, const char* data_path, const char* way, arrays_t* out) {
  *out = (arrays_t){.arrays = calloc(MOST_ARRAYS, sizeof(array_t))};
  size_t list_size = 0, data_size = 0, offset = 0;
  char* list = (char*)file_read(list_path, &list_size);
  out->data = file_read(data_path, &data_size);
  bool good = list && out->data && out->arrays;
  char* rest = NULL;
  for (char* line = good ? strtok_r(list, "\n", &rest) : NULL; line && good;
       line = strtok_r(NULL, "\n", &rest)) {
    array_t array;
    char its_way[4];
    if (!(good = out->count < MOST_ARRAYS && parse(line, its_way, &array))) {
      fprintf(stderr, "%s: malformed at %s\n", list_path, line);
    } else if (!strcmp(its_way, way)) {
      array.offset = offset;
      offset += array.bytes;
      out->arrays[out->count++] = array;
    }
  }
  if (good && offset != data_size) {
    fprintf(stderr, "%s: %zu bytes; expected %zu\n", data_path, data_size, offset);
    good = false;
  }
  free(list);
  if (!good) arrays_free(out);
  return good;
}

void arrays_free(arrays_t* arrays) {
  free(arrays->arrays);
  free(arrays->data);
  *arrays = (arrays_t){0};
}

static double element(const array_t* array, const uint8_t* data, size_t index) {
  switch (array->type) {
    case TYPE_F32: return ((const float*)(const void*)data)[index];
    case TYPE_I32: return ((const int32_t*)(const void*)data)[index];
    case TYPE_U32: return ((const uint32_t*)(const void*)data)[index];
    case TYPE_BOOL: return data[index] != 0;
  }
  return NAN;
}

bool array_agrees(const array_t* array, const uint8_t* wanted, const uint8_t* found,
                  double* worst) {
  size_t off = 0;
  *worst = 0.0;
  for (size_t i = 0; i < array->count; ++i) {
    double a = element(array, wanted, i), b = element(array, found, i);
    if (a == b || (isnan(a) && isnan(b))) continue;
    double difference = fabs(a - b);
    if (isnan(difference)) difference = INFINITY;
    double bound = array->held == HELD_NEAR ? SAME_PLAN : TOLERANCE * (1.0 + fabs(a));
    off += !(difference <= bound);
    if (difference > *worst) *worst = difference;
  }
  if (array->held == HELD_ANY) return true;
  if (array->held == HELD_NEAR) return off == 0;
  return (double)off <= ON_EDGE * (double)array->count;
}
