// Arrays of a function as `astro-jax artifact unpack` writes them: NAME.arrays says which there are,
// NAME.inputs and NAME.outputs hold their bytes.
#ifndef ASTRO_JAX_ARRAYS_H_
#define ASTRO_JAX_ARRAYS_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOST_ARRAYS 1000
#define MOST_AXES 6
#define LONGEST_NAME 100

typedef enum { TYPE_F32, TYPE_I32, TYPE_U32, TYPE_BOOL } array_type_t;

// How an output is held against the golden one.
typedef enum {
  HELD_SAME,  // to rounding, but for a cell in a hundred that lies on an edge
  HELD_NEAR,  // a decision that is as good
  HELD_ANY,   // what hangs on which of two good plans was taken
} held_t;

typedef struct {
  char name[LONGEST_NAME + 1];
  array_type_t type;
  held_t held;
  size_t rank;
  uint64_t shape[MOST_AXES];
  size_t count;   // of elements
  size_t bytes;
  size_t offset;  // in the file of all of them
} array_t;

typedef struct {
  array_t* arrays;
  size_t count;
  uint8_t* data;
} arrays_t;

// Reads the arrays of one way ("in" or "out"); says on stderr what is wrong.
bool arrays_read(const char* list_path, const char* data_path, const char* way, arrays_t* out);
void arrays_free(arrays_t* arrays);

// Whether `found` is what `wanted` says; the largest difference goes to `worst`.
bool array_agrees(const array_t* array, const uint8_t* wanted, const uint8_t* found, double* worst);

// The bytes of a whole file, to be freed; NULL if it cannot be read.
uint8_t* file_read(const char* path, size_t* size);

#endif  // ASTRO_JAX_ARRAYS_H_
