/* Runs signatures of a SavedModel through TensorFlow's C API alone, and prints every number that they answer.

     run_signatures FOLDER (run LABEL (in OP INDEX DTYPE FILE RANK SIDE...)... (out NAME OP INDEX)...)...

   OP and INDEX are those of the signature in saved_model.pb, DTYPE is a number of TF_DataType. A FILE holds the tensor's
   bytes as they lie in memory; of strings, every one behind its length in eight bytes. Prints a line an output:

     LABEL NAME RANK SIDE... VALUE...                                                                             */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"

enum { MOST = 16 };

static void fail(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

static char *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file) fail(path, "cannot be opened");
  fseek(file, 0, SEEK_END);
  *size = (size_t)ftell(file);
  rewind(file);
  char *content = malloc(*size + 1);
  if (fread(content, 1, *size, file) != *size) fail(path, "cannot be read");
  fclose(file);
  return content;
}

static TF_Tensor *read_tensor(TF_DataType type, const char *path, int rank, const int64_t *sides) {
  size_t size, count = 1;
  char *content = read_file(path, &size);
  for (int axis = 0; axis < rank; ++axis) count *= (size_t)sides[axis];
  size_t bytes = count * (type == TF_STRING ? sizeof(TF_TString) : TF_DataTypeSize(type));
  TF_Tensor *tensor = TF_AllocateTensor(type, sides, rank, bytes);
  if (type == TF_STRING) {
    TF_TString *strings = TF_TensorData(tensor);
    const char *place = content;
    for (size_t number = 0; number < count; ++number) {
      uint64_t length;
      memcpy(&length, place, sizeof length);
      TF_TString_Init(&strings[number]);
      TF_TString_Copy(&strings[number], place + sizeof length, length);
      place += sizeof length + length;
    }
    if ((size_t)(place - content) != size) fail(path, "has another size than its strings");
  } else {
    if (bytes != size) fail(path, "has another size than its shape");
    memcpy(TF_TensorData(tensor), content, size);
  }
  free(content);
  return tensor;
}

static TF_Output place_of(TF_Graph *graph, const char *name, const char *index) {
  TF_Output place = {TF_GraphOperationByName(graph, name), atoi(index)};
  if (!place.oper) fail(name, "no such operation");
  return place;
}

static void print_tensor(const char *label, const char *name, const TF_Tensor *tensor) {
  printf("%s %s %d", label, name, TF_NumDims(tensor));
  for (int axis = 0; axis < TF_NumDims(tensor); ++axis) printf(" %lld", (long long)TF_Dim(tensor, axis));
  const void *data = TF_TensorData(tensor);
  for (int64_t number = 0; number < TF_TensorElementCount(tensor); ++number) {
    switch (TF_TensorType(tensor)) {
      case TF_FLOAT: printf(" %.9g", ((const float *)data)[number]); break;
      case TF_INT32: printf(" %d", ((const int32_t *)data)[number]); break;
      case TF_INT64: printf(" %lld", (long long)((const int64_t *)data)[number]); break;
      default: fail(name, "is of a type that is not printed");
    }
  }
  printf("\n");
}

int main(int count, char **words) {
  if (count < 3) fail("run_signatures", "expected FOLDER (run ...)...");
  TF_Status *status = TF_NewStatus();
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  const char *tags[] = {"serve"};
  TF_Session *session = TF_LoadSessionFromSavedModel(options, NULL, words[1], tags, 1, graph, NULL, status);
  if (TF_GetCode(status) != TF_OK) fail(words[1], TF_Message(status));
  for (int at = 2; at < count;) {
    TF_Output fed[MOST], fetched[MOST];
    TF_Tensor *inputs[MOST], *outputs[MOST] = {NULL};
    const char *names[MOST];
    int ins = 0, outs = 0;
    if (strcmp(words[at], "run")) fail(words[at], "expected run");
    const char *label = words[at + 1];
    for (at += 2; at < count && strcmp(words[at], "run");) {
      if (ins == MOST || outs == MOST) fail(label, "has too many inputs or outputs");
      if (!strcmp(words[at], "in")) {
        int rank = atoi(words[at + 5]);
        int64_t sides[8];
        for (int axis = 0; axis < rank && axis < 8; ++axis) sides[axis] = atoll(words[at + 6 + axis]);
        fed[ins] = place_of(graph, words[at + 1], words[at + 2]);
        inputs[ins++] = read_tensor((TF_DataType)atoi(words[at + 3]), words[at + 4], rank, sides);
        at += 6 + rank;
      } else if (!strcmp(words[at], "out")) {
        names[outs] = words[at + 1];
        fetched[outs++] = place_of(graph, words[at + 2], words[at + 3]);
        at += 4;
      } else {
        fail(words[at], "expected in or out");
      }
    }
    TF_SessionRun(session, NULL, fed, inputs, ins, fetched, outputs, outs, NULL, 0, NULL, status);
    if (TF_GetCode(status) != TF_OK) fail(label, TF_Message(status));
    for (int number = 0; number < outs; ++number) {
      print_tensor(label, names[number], outputs[number]);
      TF_DeleteTensor(outputs[number]);
    }
    for (int number = 0; number < ins; ++number) TF_DeleteTensor(inputs[number]);
  }
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
