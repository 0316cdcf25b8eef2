// A host in C11: what a C compiler must be able to do with the header.
#include "tests/c/plain.h"

#include <string.h>

static troupe_status count_rows(void* user, uint32_t position, const float* logits, size_t count, troupe_error* error) {
  (void)logits, (void)count, (void)error;
  *(uint32_t*)user += position + 1;
  return TROUPE_OK;
}

troupe_status plain_host(const char* path, int* tokens, uint32_t* positions, troupe_error* error) {
  troupe_runtime_options house;
  troupe_runtime_options_default(&house, sizeof house);
  troupe_load_options how;
  troupe_load_options_default(&how, sizeof how);
  how.threads = 1;
  how.plan = "tp2";
  troupe_generate_options what;
  troupe_generate_options_default(&what, sizeof what);
  what.max_tokens = 12;
  what.ignore_end = 1;
  troupe_token token;
  troupe_token_default(&token, sizeof token);

  troupe_runtime* runtime = NULL;
  troupe_model* model = NULL;
  troupe_request* request = NULL;
  const char* prompt = "hello";
  troupe_status status = troupe_runtime_new(&house, &runtime, error);
  if (status == TROUPE_OK) status = troupe_model_load(runtime, path, &how, &model, error);
  if (status == TROUPE_OK) status = troupe_model_generate(model, prompt, strlen(prompt), &what, NULL, &request, error);
  while (status == TROUPE_OK) {
    status = troupe_request_next(request, -1, &token, error);
    if (status == TROUPE_OK && token.id >= 0) ++*tokens;
  }
  const int32_t ids[] = {1, 2, 3};
  if (status == TROUPE_END)
    status = troupe_model_logits(model, ids, sizeof ids / sizeof *ids, 1, NULL, count_rows, positions, error);
  troupe_request_free(request);
  troupe_model_free(model);
  troupe_runtime_free(runtime);
  return status;
}
