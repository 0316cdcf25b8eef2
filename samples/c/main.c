// In C11: loads a model, streams a text by callback, and cancels a second one. Usage: c_sample MODEL.gguf [PROMPT]
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <troupe.h>

// One stream: its callbacks run on a thread of the runtime, and main waits for the last of them.
typedef struct Stream {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int tokens, over;
  char outcome[200];
} Stream;

static troupe_status on_token(void* user, uint64_t request, const troupe_token* token, troupe_error* error) {
  Stream* stream = user;
  (void)request, (void)error;
  fwrite(token->text, 1, token->length, stdout);
  fflush(stdout);
  pthread_mutex_lock(&stream->mutex);
  ++stream->tokens;
  pthread_cond_signal(&stream->changed);
  pthread_mutex_unlock(&stream->mutex);
  return TROUPE_OK;
}

static void on_finish(void* user, uint64_t request, const troupe_finish* finish) {
  Stream* stream = user;
  (void)request;
  pthread_mutex_lock(&stream->mutex);
  snprintf(stream->outcome, sizeof stream->outcome, "%s after %u tokens", troupe_finish_name(finish->reason),
           (unsigned)finish->generated_tokens);
  stream->over = 1;
  pthread_cond_signal(&stream->changed);
  pthread_mutex_unlock(&stream->mutex);
}

// Streams a text of at most `most` tokens; one of more than `cancel_after` is cancelled, if that is not 0.
static troupe_status speak(const troupe_model* model, const char* prompt, uint32_t most, int cancel_after,
                           troupe_error* error) {
  troupe_generate_options options;
  troupe_generate_options_default(&options, sizeof options);
  options.max_tokens = most;

  Stream stream = {.tokens = 0};
  pthread_mutex_init(&stream.mutex, NULL);
  pthread_cond_init(&stream.changed, NULL);
  troupe_callbacks callbacks;
  troupe_callbacks_default(&callbacks, sizeof callbacks);
  callbacks.on_token = on_token;
  callbacks.on_finish = on_finish;
  callbacks.user = &stream;

  troupe_request* request = NULL;
  troupe_status status = troupe_model_generate(model, prompt, strlen(prompt), &options, &callbacks, &request, error);
  if (status == TROUPE_OK) {
    pthread_mutex_lock(&stream.mutex);
    while (!stream.over && (cancel_after == 0 || stream.tokens < cancel_after))
      pthread_cond_wait(&stream.changed, &stream.mutex);
    pthread_mutex_unlock(&stream.mutex);
    if (cancel_after != 0) status = troupe_request_cancel(request, error);
    pthread_mutex_lock(&stream.mutex);
    while (!stream.over) pthread_cond_wait(&stream.changed, &stream.mutex);
    pthread_mutex_unlock(&stream.mutex);
    printf("\n");
    fprintf(stderr, "c_sample: %s\n", stream.outcome);
    troupe_request_free(request);
  }
  pthread_cond_destroy(&stream.changed);
  pthread_mutex_destroy(&stream.mutex);
  return status;
}

int main(int argc, char** argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: c_sample MODEL.gguf [PROMPT]\n");
    return 2;
  }
  const char* prompt = argc > 2 ? argv[2] : "The capital of France is";
  troupe_error error;
  troupe_error_default(&error, sizeof error);
  troupe_runtime* runtime = NULL;
  troupe_model* model = NULL;
  troupe_status status = troupe_runtime_new(NULL, &runtime, &error);
  if (status == TROUPE_OK) status = troupe_model_load(runtime, argv[1], NULL, &model, &error);
  if (status == TROUPE_OK) status = speak(model, prompt, 32, 0, &error);
  if (status == TROUPE_OK) status = speak(model, prompt, 0, 8, &error);
  if (status != TROUPE_OK) fprintf(stderr, "c_sample: %s: %s\n", troupe_status_name(status), error.message);
  troupe_model_free(model);
  troupe_runtime_free(runtime);
  return status == TROUPE_OK ? 0 : 1;
}
