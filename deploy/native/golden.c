// Loads one function of an unpacked artifact, calls it with its golden inputs, holds what comes out
// against the golden outputs, and times it.
//
//   golden FOLDER/think [RUNS]
//
// Exit code: 0 the function answers as where it was made, 1 it does not, 2 something is missing.
//
// The shape of a robot's own program: one instance, one session per function, the inputs as buffer
// views in the order of NAME.arrays; what comes out under state. goes in again under the same name.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arrays.h"
#include "iree/runtime/api.h"

typedef struct {
  iree_runtime_instance_t* instance;
  iree_runtime_session_t* session;
  uint8_t* code;  // has to outlive the session
} function_t;

static const iree_hal_element_type_t ELEMENT[] = {
    [TYPE_F32] = IREE_HAL_ELEMENT_TYPE_FLOAT_32,
    [TYPE_I32] = IREE_HAL_ELEMENT_TYPE_INT_32,
    [TYPE_U32] = IREE_HAL_ELEMENT_TYPE_INT_32,
    [TYPE_BOOL] = IREE_HAL_ELEMENT_TYPE_BOOL_8,
};

// One thread computes, the one that calls: planner and gate are two processes.
static iree_status_t load(const char* path, function_t* function) {
  size_t size = 0;
  if (!(function->code = file_read(path, &size))) {
    return iree_make_status(IREE_STATUS_NOT_FOUND, "no machine code");
  }
  iree_runtime_instance_options_t options;
  iree_runtime_instance_options_initialize(&options);
  iree_runtime_instance_options_use_all_available_drivers(&options);
  IREE_RETURN_IF_ERROR(
      iree_runtime_instance_create(&options, iree_allocator_system(), &function->instance));
  iree_hal_device_t* device = NULL;
  IREE_RETURN_IF_ERROR(iree_runtime_instance_try_create_default_device(
      function->instance, iree_make_cstring_view("local-sync"), &device));
  iree_runtime_session_options_t session_options;
  iree_runtime_session_options_initialize(&session_options);
  iree_status_t status = iree_runtime_session_create_with_device(
      function->instance, &session_options, device,
      iree_runtime_instance_host_allocator(function->instance), &function->session);
  iree_hal_device_release(device);
  IREE_RETURN_IF_ERROR(status);
  return iree_runtime_session_append_bytecode_module_from_memory(
      function->session, iree_make_const_byte_span(function->code, size), iree_allocator_null());
}

static void unload(function_t* function) {
  iree_runtime_session_release(function->session);
  iree_runtime_instance_release(function->instance);
  free(function->code);
}

static iree_status_t push(iree_runtime_session_t* session, iree_runtime_call_t* call,
                          const array_t* array, const uint8_t* data) {
  iree_hal_dim_t shape[MOST_AXES];
  for (size_t i = 0; i < array->rank; ++i) shape[i] = (iree_hal_dim_t)array->shape[i];
  iree_hal_buffer_view_t* view = NULL;
  IREE_RETURN_IF_ERROR(iree_hal_buffer_view_allocate_buffer_copy(
      iree_runtime_session_device(session), iree_runtime_session_device_allocator(session),
      array->rank, shape, ELEMENT[array->type], IREE_HAL_ENCODING_TYPE_DENSE_ROW_MAJOR,
      (iree_hal_buffer_params_t){
          .type = IREE_HAL_MEMORY_TYPE_DEVICE_LOCAL,
          .access = IREE_HAL_MEMORY_ACCESS_ALL,
          .usage = IREE_HAL_BUFFER_USAGE_DEFAULT,
      },
      iree_make_const_byte_span(data, array->bytes), &view));
  iree_status_t status = iree_runtime_call_inputs_push_back_buffer_view(call, view);
  iree_hal_buffer_view_release(view);
  return status;
}

static iree_status_t pop(iree_runtime_session_t* session, iree_runtime_call_t* call,
                         const array_t* array, uint8_t* data) {
  iree_hal_buffer_view_t* view = NULL;
  IREE_RETURN_IF_ERROR(iree_runtime_call_outputs_pop_front_buffer_view(call, &view));
  iree_status_t status = iree_ok_status();
  if (iree_hal_buffer_view_byte_length(view) != array->bytes) {
    status = iree_make_status(IREE_STATUS_INVALID_ARGUMENT, "%s has another size", array->name);
  } else {
    status = iree_hal_device_transfer_d2h(iree_runtime_session_device(session),
                                          iree_hal_buffer_view_buffer(view), 0, data, array->bytes,
                                          IREE_HAL_TRANSFER_BUFFER_FLAG_DEFAULT,
                                          iree_infinite_timeout());
  }
  iree_hal_buffer_view_release(view);
  return status;
}

static iree_status_t call(function_t* function, const arrays_t* inputs, const arrays_t* outputs,
                          uint8_t* found) {
  iree_runtime_call_t call;
  IREE_RETURN_IF_ERROR(iree_runtime_call_initialize_by_name(
      function->session, iree_make_cstring_view("astro.main"), &call));
  iree_status_t status = iree_ok_status();
  for (size_t i = 0; i < inputs->count && iree_status_is_ok(status); ++i) {
    const array_t* array = &inputs->arrays[i];
    status = push(function->session, &call, array, inputs->data + array->offset);
  }
  if (iree_status_is_ok(status)) status = iree_runtime_call_invoke(&call, /*flags=*/0);
  for (size_t i = 0; i < outputs->count && iree_status_is_ok(status); ++i) {
    const array_t* array = &outputs->arrays[i];
    status = pop(function->session, &call, array, found + array->offset);
  }
  iree_runtime_call_deinitialize(&call);
  return status;
}

static bool compare(const arrays_t* outputs, const uint8_t* found) {
  bool good = true;
  for (size_t i = 0; i < outputs->count; ++i) {
    const array_t* array = &outputs->arrays[i];
    double worst = 0.0;
    if (!array_agrees(array, outputs->data + array->offset, found + array->offset, &worst)) {
      printf("%s: off by %.3g\n", array->name, worst);
      good = false;
    }
  }
  return good;
}

static double now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return 1e3 * (double)time.tv_sec + 1e-6 * (double)time.tv_nsec;
}

static int by_size(const void* a, const void* b) {
  double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

static iree_status_t check(const char* stem, function_t* function, const arrays_t* inputs,
                           const arrays_t* outputs, size_t runs, bool* good) {
  size_t bytes = 1;
  for (size_t i = 0; i < outputs->count; ++i) bytes += outputs->arrays[i].bytes;
  uint8_t* found = calloc(bytes, 1);
  double* times = calloc(runs, sizeof(double));
  iree_status_t status = iree_ok_status();
  for (size_t i = 0; i < runs && iree_status_is_ok(status); ++i) {
    double begin = now_ms();
    status = call(function, inputs, outputs, found);
    times[i] = now_ms() - begin;
  }
  if (iree_status_is_ok(status)) {
    *good = compare(outputs, found);
    double first = times[0];
    qsort(times, runs, sizeof(double), by_size);
    printf("%s: %s; first %.2f ms, median %.2f ms, worst %.2f ms\n", stem,
           *good ? "as it was made" : "WRONG", first, times[runs / 2], times[runs - 1]);
  }
  free(times);
  free(found);
  return status;
}

int main(int argc, char** argv) {
  char path[4][4096];
  static const char* const endings[] = {".vmfb", ".arrays", ".inputs", ".outputs"};
  if (argc < 2 || strlen(argv[1]) > 4000) {
    fprintf(stderr, "usage: %s FOLDER/FUNCTION [RUNS]\n", argv[0]);
    return 2;
  }
  for (int i = 0; i < 4; ++i) snprintf(path[i], sizeof path[i], "%s%s", argv[1], endings[i]);
  size_t runs = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
  arrays_t inputs = {0}, outputs = {0};
  function_t function = {0};
  bool good = false;
  int code = 2;
  if (arrays_read(path[1], path[2], "in", &inputs) &&
      arrays_read(path[1], path[3], "out", &outputs)) {
    iree_status_t status = load(path[0], &function);
    if (iree_status_is_ok(status)) {
      status = check(argv[1], &function, &inputs, &outputs, runs ? runs : 1, &good);
    }
    code = iree_status_is_ok(status) ? !good : 2;
    if (!iree_status_is_ok(status)) {
      iree_status_fprint(stderr, status);
      iree_status_ignore(status);
    }
  }
  unload(&function);
  arrays_free(&outputs);
  arrays_free(&inputs);
  return code;
}
