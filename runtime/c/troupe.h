/// troupe's API in C: C11, and C++ as well. It is the C++ API (troupe/troupe.hpp) in plain words; what an option or a
/// call does is said here in short, and there in full.
///
/// Errors. What can fail returns a status, and takes a troupe_error last, in which it leaves the line that says what
/// was wrong, where, and what would be right. The struct is the caller's own: nothing has to be freed or fetched, two
/// threads never share one, and there is room for the line where memory is what is wanting. NULL where the line is not
/// wanted. No call throws, and none ends the process for what it is given. What is given as NULL and is needed is
/// refused with TROUPE_INVALID_ARGUMENT; where an out parameter is refused or a call fails, nothing is written to it
/// but NULL or 0.
///
/// Handles. Each is had from one call and given back once to its own free, which takes NULL too; between them, any
/// thread may use it, several at once too, where nothing else is said. Who frees one must know that nobody else uses
/// it. A child keeps alive what it stands on: a runtime may be freed before its models, a model before its requests.
///
/// Structs carry their size, set by their default maker, and grow at their end only: a program and a library of two
/// versions understand each other. Fields that the program's struct lacks take their defaults; fields that the library
/// does not know must be zero, or the call fails with TROUPE_UNSUPPORTED. What a callback is given has the library's
/// size: a program that may meet an older library looks at it before it reads a field of a later version.
///
/// Texts are UTF-8. What goes in is copied before a call returns: a `const char*` alone ends with a zero byte, one with
/// a length need not. What comes out by `char**` ends with a zero byte, is the caller's, and goes to troupe_free. What
/// a callback gets lives until it returns.
///
/// Callbacks must not throw, longjmp or wait for what they hold up. A call on a thread of the runtime that would wait
/// for the runtime fails with TROUPE_INVALID_ARGUMENT. A thread inside a call must not be ended by pthread_cancel. A
/// child of fork() makes a runtime of its own; of its parent's handles it can free all, and use none.
#ifndef TROUPE_H
#define TROUPE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// ---------------------------------------------------------------------------------------------------------- version

/// Of this header.
#define TROUPE_VERSION_MAJOR 0
#define TROUPE_VERSION_MINOR 1
#define TROUPE_VERSION_PATCH 0
#define TROUPE_VERSION_NUMBER (TROUPE_VERSION_MAJOR * 10000 + TROUPE_VERSION_MINOR * 100 + TROUPE_VERSION_PATCH)

/// Of the library that is running: "0.1.0", which is never freed, and as TROUPE_VERSION_NUMBER counts. Any thread.
const char* troupe_version(void);
uint32_t troupe_version_number(void);

// ----------------------------------------------------------------------------------------------------------- errors

/// Stable: the first is success, those above zero are failures, those below are neither.
typedef int32_t troupe_status;
enum {
  TROUPE_NOT_YET = -2,  ///< the time has passed, and the stream goes on
  TROUPE_END = -1,      ///< the stream has ended, and nothing went wrong
  TROUPE_OK = 0,
  TROUPE_INVALID_ARGUMENT = 1,  ///< the caller asked for something that cannot be
  TROUPE_NOT_FOUND = 2,         ///< no such file, name or id
  TROUPE_BAD_FILE = 3,          ///< a file is broken
  TROUPE_UNSUPPORTED = 4,       ///< well formed, but not something this build can do
  TROUPE_OUT_OF_MEMORY = 5,     ///< an allocation or a limit that the host set was refused
  TROUPE_OUT_OF_RANGE = 6,      ///< a value left the range that the numerics contract allows
  TROUPE_QUEUE_FULL = 7,        ///< a bounded queue had no place left
  TROUPE_DEADLINE = 8,          ///< a wait or a request passed its deadline
  TROUPE_CANCELLED = 9,         ///< the host cancelled or dropped the request
  TROUPE_ABORTED = 10,          ///< a peer failed, or the runtime is stopping
  TROUPE_FAILED = 11,           ///< anything else, such as a host's callback that failed
};

/// "invalid argument" and so on; "unknown status" where there is none. Never freed. Any thread.
const char* troupe_status_name(troupe_status status);

/// What a call says when it has failed; each call writes it anew. Who wants longer lines than it holds (the message is
/// cut at the end of a character) puts it at the beginning of a larger piece of memory, and says so by its size.
typedef struct troupe_error {
  size_t size;  ///< of the struct, or of the memory that it begins, at most 64 KiB; 0: nothing is written
  troupe_status status;
  char message[1012];  ///< one line; empty after success
} troupe_error;

void troupe_error_default(troupe_error* error, size_t size);

/// For callbacks: writes an error and returns its status, so that a callback can end with it. `message` may be NULL.
troupe_status troupe_error_set(troupe_error* error, troupe_status status, const char* message);

/// Gives back a text or the ids that a call returned. NULL is nothing. Any thread.
void troupe_free(void* memory);

/// Ends calls that take long from another thread: it is named in their options, in those of several calls too.
typedef struct troupe_cancellation troupe_cancellation;
troupe_status troupe_cancellation_new(troupe_cancellation** cancellation, troupe_error* error);
void troupe_cancellation_cancel(troupe_cancellation* cancellation);  ///< for good; NULL is nothing
void troupe_cancellation_free(troupe_cancellation* cancellation);    ///< calls that name it go on

// ---------------------------------------------------------------------------------------------------------- runtime

/// Where everything lives: the actors' threads, and the cores that models are pinned to. Several may stand side by
/// side.
typedef struct troupe_runtime troupe_runtime;

enum { TROUPE_LOG_DEBUG = 0, TROUPE_LOG_INFO = 1, TROUPE_LOG_WARNING = 2, TROUPE_LOG_ERROR = 3 };

/// A model, now and since it was loaded, all replicas together; sums may be a step apart.
typedef struct troupe_stats {
  size_t size;
  uint64_t requests;       ///< taken; those for logits among them
  uint64_t finished;       ///< of those, the ones that ended by themselves
  uint64_t failed;         ///< and those that ended with an error, cancelled and late ones among them
  uint64_t prompt_tokens;  ///< of requests that have their first token, or have ended by themselves
  uint64_t cached_tokens;  ///< of those, the ones that the prefix cache had
  uint64_t generated_tokens;
  double tokens_per_second;  ///< generated, over the last five seconds
  double hit_rate;           ///< cached_tokens / prompt_tokens, 0 to 1
  uint32_t queued, running;  ///< requests that wait, and that have a place in a replica's steps
  // Of weights that are on disk: weights_budget and experts_budget.
  uint64_t disk_reads;       ///< of one layer's weights, or one expert's
  uint64_t disk_bytes;       ///< in all of them
  uint64_t disk_late;        ///< that came later than the step that needed them
  uint64_t disk_wasted;      ///< that no step used
  uint64_t disk_mended;      ///< that were not what had been written, and were packed anew
  uint64_t disk_waited_ns;   ///< by steps, for those that were late
  uint64_t expert_hits;      ///< experts of a layer that a step needed and that were there,
  uint64_t expert_foreseen;  ///< that had been read for it, or were being read,
  uint64_t expert_misses;    ///< and that had to be read first
} troupe_stats;

void troupe_stats_default(troupe_stats* stats, size_t size);

typedef struct troupe_runtime_options {
  size_t size;
  /// What an operator wants to know, a line each. Called from any thread, from several at once too, until the last
  /// model of the runtime has closed. Must not block. NULL: silent.
  void (*log)(void* user, int32_t level, const char* line, size_t length);
  /// Gets every model's stats again and again, from its load until it closes; for one model never two at once. `model`
  /// is its file. Must not block. May be NULL.
  void (*metrics)(void* user, const char* model, const troupe_stats* stats);
  void* user;                   ///< handed to `log`, `metrics` and `release`
  void (*release)(void* user);  ///< called once, when the two will not be called again; on any thread. May be NULL.
  int64_t metrics_interval_ms;  ///< from one to the next, at least 1; default 1000
  uint32_t control_threads;     ///< that run the actors' messages, 1 to 256; default 1
  uint32_t reserved;            ///< 0
} troupe_runtime_options;

void troupe_runtime_options_default(troupe_runtime_options* options, size_t size);

/// `options` may be NULL. Where it fails, `release` is not called. Its threads start with the first model.
troupe_status troupe_runtime_new(const troupe_runtime_options* options, troupe_runtime** runtime, troupe_error* error);

/// Models that it loaded go on. The last of them and of it ends its threads.
void troupe_runtime_free(troupe_runtime* runtime);

// ----------------------------------------------------------------------------------------------------- host's actors

/// What a host's actor sees of one step: `in` came from its port "in"; `out`, already a copy of it, leaves by its port
/// "out". Both are [rows][columns]; what each row belongs to is said by arrays of `rows`.
typedef struct troupe_step {
  size_t size;
  uint64_t step;
  size_t rows, columns;
  const float* in;
  float* out;
  const uint64_t* requests;   ///< troupe_request_id
  const uint32_t* positions;  ///< of the row's token in its sequence, from 0
  const int32_t* tokens;      ///< the row's token: the prompt's, and from there on those that were sampled
  const char* const* users;   ///< troupe_generate_options.user, with the lengths in `user_lengths`
  const size_t* user_lengths;
  const void* view;  ///< the runtime's
} troupe_step;

/// For on_step: ends the request of one row, and nothing else; what is in that row of `out` counts for nothing. Returns
/// TROUPE_INVALID_ARGUMENT where there is no such row, or `status` is no failure. `message` may be NULL.
troupe_status troupe_step_fail(const troupe_step* step, size_t row, troupe_status status, const char* message);

/// An actor between two others: a tap, a filter, a router. Each node of a graph that names its kind is one, in each
/// replica; where a replica comes back, or is added, its nodes are made anew, and what they knew is gone. Requests that
/// go on there, or had to give back their memory, are computed again: an actor sees their rows once more.
typedef struct troupe_actor_kind {
  size_t size;
  void* user;  ///< handed to `create` and `release`
  /// Makes the actor of a node, from the node's options: `count` pairs, names at even places, values behind them. On
  /// the thread that loads the model, where anything but TROUPE_OK fails the load; later on one of the runtime's, where
  /// that fails the replica. NULL: every actor is `user`, which those of several replicas may be given at once.
  troupe_status (*create)(void* user, const char* const* options, size_t count, void** actor, troupe_error* error);
  /// One step, in order; on one thread of the runtime, which waits for it. Anything but TROUPE_OK ends the requests of
  /// that step with it. Must not wait for a request of its own model.
  troupe_status (*on_step)(void* actor, const troupe_step* step, troupe_error* error);
  void (*destroy)(void* actor);  ///< of each that was created, when its replica has ended; on any thread. May be NULL.
  void (*release)(void* user);   ///< called once, when the kind is not needed any more; on any thread. May be NULL.
} troupe_actor_kind;

void troupe_actor_kind_default(troupe_actor_kind* kind, size_t size);

/// Adds a kind of actor for graphs to name. Where it fails, `release` is not called.
troupe_status troupe_runtime_add_actor(troupe_runtime* runtime, const char* name, const troupe_actor_kind* kind,
                                       troupe_error* error);

// ------------------------------------------------------------------------------------------------ opening and loading

/// Values of troupe_load_options.copy.
enum {
  TROUPE_COPY_AUTO = -1,  ///< mapped, but copied where it lies on a network or FUSE file system
  TROUPE_COPY_OFF = 0,    ///< stays mapped; must not be cut or overwritten meanwhile
  TROUPE_COPY_ON = 1,     ///< read into memory
};

/// Values of troupe_load_options.experts_beyond: what becomes of rows beyond an expert's capacity in a step. With other
/// than UNLIMITED a row's logits depend on those that it is computed with.
enum {
  TROUPE_EXPERTS_UNLIMITED = 0,  ///< there is room for all
  TROUPE_EXPERTS_DROP = 1,       ///< the expert counts for nothing
  TROUPE_EXPERTS_REROUTE = 2,    ///< the best of the others that has room takes its place, if any has
};

/// A LoRA adapter in llama.cpp's GGUF format, and how much of it is added to the model. Stays as it is.
typedef struct troupe_adapter {
  const char* path;
  float scale;        ///< 1: all of it
  uint32_t reserved;  ///< 0
} troupe_adapter;

/// How a model file is opened, spread and run.
typedef struct troupe_load_options {
  size_t size;
  const char* plan;  ///< "pp2.tp2"; NULL or empty: one shard
  const char* isa;   ///< "avx2", "avx512"; "neon", "dotprod", "i8mm"; "reference"; NULL or empty: the best
  const char* const* ignore_keys;  ///< metadata that this build does not obey and that does not matter to the host
  size_t ignore_key_count;
  /// While weights are packed, from one thread at a time; `fraction` from 0 to 1. Other than 0 cancels the load, which
  /// fails with TROUPE_CANCELLED. May be NULL.
  int32_t (*progress)(void* user, double fraction);
  void* user;                         ///< handed to `progress`
  const troupe_cancellation* cancel;  ///< ends the load with TROUPE_CANCELLED. May be NULL.
  int64_t deadline_ms;                ///< a load that takes longer fails with TROUPE_DEADLINE; default -1: none
  uint64_t memory_limit;              ///< bytes that the model may promise to use in all; 0: no limit
  uint64_t kv_memory;                 ///< bytes for the KV of a replica; 0: for `parallel` sequences at full context
  uint32_t threads;                   ///< of each shard; 0: cores / ranks
  uint32_t context;                   ///< positions of a sequence, 2^20 or the model's own at most; 0: its own
  uint32_t chunk;                     ///< tokens of a step at most, 1 to 65536; default 512
  uint32_t parallel;                  ///< sequences of a replica that run at once, 1 to 1024; default 16
  uint32_t queue;                     ///< of a replica's requests that may wait, 1 to 2^20; default 1024
  int32_t fusion;                     ///< default 1
  int32_t copy;                       ///< TROUPE_COPY_...; default TROUPE_COPY_AUTO
  int32_t prefix_cache;               ///< whether prompts that begin alike share their KV; default 1
  const troupe_adapter* adapters;     ///< added to the model, one after the other; count where its file is opened
  size_t adapter_count;
  uint32_t experts_used;  ///< of each row; 0: as many as the file says. Counts where the file is opened
  float prefix_weight;    ///< of a replica's load, against a prompt's tokens in its cache: 0 to 10^6; default 1
  uint32_t trace_events;  ///< that each thread keeps for troupe_model_write_trace, 48 bytes each; at most 2^24; 0: none
  /// How often experts are dealt out anew by what they have had to do, where the plan has ep. 0: never.
  uint32_t balance_experts_ms;
  int32_t experts_beyond;  ///< TROUPE_EXPERTS_...: what becomes of rows beyond an expert's capacity; default: none
  float expert_capacity;   ///< in even shares of a step's choices; default 1.25
  const char* const* fusion_rules;  ///< with `fusion`: of the devices' rules these alone; NULL: all
  size_t fusion_rule_count;
  double weights_budget;  ///< the share of a replica's weights that memory may have, above 0; default 1. The rest is
                          ///< read from disk in every step
  double experts_budget;  ///< the share of a shard's experts that memory has room for, above 0; default 1
  const char* weights_folder;  ///< where that is kept, packed; NULL or empty: in the user's cache folder
} troupe_load_options;

void troupe_load_options_default(troupe_load_options* options, size_t size);

/// A model file: what it says, its tokenizer, and the graphs that it can be spread over. Does not change.
typedef struct troupe_checkpoint troupe_checkpoint;

/// A checkpoint at work: a graph of actors.
typedef struct troupe_model troupe_model;

/// Opens and checks a model file, or several: all parts of a split one, whose first is at `path`, and the adapters. Of
/// the options, which may be NULL, `copy`, `ignore_keys`, `adapters`, `experts_used` and the capacity of experts
/// count.
troupe_status troupe_checkpoint_open(const troupe_runtime* runtime, const char* path,
                                     const troupe_load_options* options, troupe_checkpoint** checkpoint,
                                     troupe_error* error);
void troupe_checkpoint_free(troupe_checkpoint* checkpoint);

/// Where a model file is, when it is no path: exactly one of `path`, `bytes` and `descriptor`. The parts of a
/// split model are found by `path` alone.
typedef struct troupe_source {
  size_t size;
  const char* path;
  const void* bytes;  ///< of a file that is in memory. They must stay as they are until `release` is called, or, where
  size_t length;      ///< there is none, until the last checkpoint and model of them has been freed.
  void (*release)(void* user);  ///< of `bytes`: called once, on any thread. May be NULL.
  void* user;                   ///< handed to `release`
  const char* name;             ///< what messages call it; NULL: "(memory)", "descriptor <number>"
  int32_t descriptor;  ///< an open one of a regular file, read from its beginning; stays the caller's; default -1
  uint32_t reserved;   ///< 0
} troupe_source;

void troupe_source_default(troupe_source* source, size_t size);

/// As troupe_checkpoint_open. Where it fails, `release` is not called.
troupe_status troupe_checkpoint_open_source(const troupe_runtime* runtime, const troupe_source* source,
                                            const troupe_load_options* options, troupe_checkpoint** checkpoint,
                                            troupe_error* error);

/// Opens a file for its tokenizer alone, whatever else is in it. Such a checkpoint has no model: to expand or load it
/// fails with TROUPE_UNSUPPORTED. Where it fails, `release` is not called.
troupe_status troupe_tokenizer_open(const troupe_runtime* runtime, const troupe_source* source,
                                    const troupe_load_options* options, troupe_checkpoint** checkpoint,
                                    troupe_error* error);

/// Opens a model file, packs its weights, and starts the actors of a plan. `options` may be NULL.
troupe_status troupe_model_load(const troupe_runtime* runtime, const char* path, const troupe_load_options* options,
                                troupe_model** model, troupe_error* error);

/// The same of a file that is open, and, where `graph` is not NULL, of a graph in TOML; of one that does not fit, the
/// error names all that is wrong.
troupe_status troupe_model_load_checkpoint(const troupe_runtime* runtime, const troupe_checkpoint* checkpoint,
                                           const char* graph, const troupe_load_options* options, troupe_model** model,
                                           troupe_error* error);

/// The last of a model and its requests stops it, and waits for the steps that are being run; on a thread of the
/// runtime, another one does it, later.
void troupe_model_free(troupe_model* model);

/// Writes what the model's threads have done, as far as it is kept (trace_events), in Chrome's Trace Event Format,
/// which Perfetto and chrome://tracing open.
troupe_status troupe_model_write_trace(const troupe_model* model, const char* path, troupe_error* error);

/// What such a file says, in lines to be read; the last says what to change.
troupe_status troupe_trace_summary(const char* path, char** summary, troupe_error* error);

/// The checkpoint that a model was loaded from, as a handle of its own, to be freed.
troupe_status troupe_model_checkpoint(const troupe_model* model, troupe_checkpoint** checkpoint, troupe_error* error);

// ------------------------------------------------------------------------------------------------ what a file says

/// 0 where `checkpoint` is NULL, or has no model; the vocabulary is its tokenizer's then.
int32_t troupe_checkpoint_has_model(const troupe_checkpoint* checkpoint);
uint32_t troupe_checkpoint_layers(const troupe_checkpoint* checkpoint);
uint32_t troupe_checkpoint_context(const troupe_checkpoint* checkpoint);
uint32_t troupe_checkpoint_vocabulary(const troupe_checkpoint* checkpoint);

/// Calls `visit` with each key and value of the file, before it returns: texts whole, numbers in the C locale, arrays
/// as "[<count> entries]". Both end with a zero byte; `length` is the value's, which may have others in it.
typedef void (*troupe_metadata_visitor)(void* user, const char* key, const char* value, size_t length);
troupe_status troupe_checkpoint_metadata(const troupe_checkpoint* checkpoint, troupe_metadata_visitor visit, void* user,
                                         troupe_error* error);

typedef struct troupe_tensor_info {
  size_t size;
  const char *name, *format;
  uint64_t rows, columns, bytes;
} troupe_tensor_info;

/// Calls `visit` with each tensor of the file, before it returns.
typedef void (*troupe_tensor_visitor)(void* user, const troupe_tensor_info* tensor);
troupe_status troupe_checkpoint_tensors(const troupe_checkpoint* checkpoint, troupe_tensor_visitor visit, void* user,
                                        troupe_error* error);

// -------------------------------------------------------------------------------------------------------- tokenizer

/// The ids of a text, without BOS; they are the caller's, for troupe_free. `parse_special`: whether control tokens that
/// stand in it verbatim ("<|im_end|>") are these tokens (1), or plain text (0), as what a user typed should be.
troupe_status troupe_checkpoint_tokenize(const troupe_checkpoint* checkpoint, const char* text, size_t length,
                                         int32_t parse_special, int32_t** ids, size_t* count, troupe_error* error);

/// The same with BOS in front where the file asks for it, once.
troupe_status troupe_checkpoint_prompt(const troupe_checkpoint* checkpoint, const char* text, size_t length,
                                       int32_t parse_special, int32_t** ids, size_t* count, troupe_error* error);

/// A part of a text that comes from several hands. Stays as it is.
typedef struct troupe_text_span {
  const char* text;
  size_t length;
  int32_t trusted;    ///< whether control tokens that stand in it verbatim are these tokens: 1, of a user's text 0
  uint32_t reserved;  ///< 0
} troupe_text_span;

/// The two above for a text in parts, whose words may reach from one into the next: a control token is one only where
/// all of it stands in trusted parts.
troupe_status troupe_checkpoint_tokenize_spans(const troupe_checkpoint* checkpoint, const troupe_text_span* spans,
                                               size_t span_count, int32_t** ids, size_t* count, troupe_error* error);
troupe_status troupe_checkpoint_prompt_spans(const troupe_checkpoint* checkpoint, const troupe_text_span* spans,
                                             size_t span_count, int32_t** ids, size_t* count, troupe_error* error);

/// The text of ids, special tokens printed. `length` may be NULL.
troupe_status troupe_checkpoint_detokenize(const troupe_checkpoint* checkpoint, const int32_t* ids, size_t count,
                                           char** text, size_t* length, troupe_error* error);

// ---------------------------------------------------------------------------------------------------- conversations
// Messages are a list of them in JSON, in OpenAI's form. What they say becomes no control token.

typedef struct troupe_chat_options {
  size_t size;
  const char* chat_template;  ///< in Jinja2's language. NULL: the file's own; ChatML where it has none that can be read
  const char* tools;          ///< JSON: a list of tools in OpenAI's form. NULL: none
  const char* date;           ///< "2026-01-31", for templates that name the day. NULL: today
  int32_t generation_prompt;  ///< whether it ends with what the answer begins with; default 1
  uint32_t reserved;          ///< 0
} troupe_chat_options;

void troupe_chat_options_default(troupe_chat_options* options, size_t size);

/// The ids of the prompt that a conversation makes, with BOS in front where the file asks for it, once. `options` may
/// be NULL.
troupe_status troupe_checkpoint_chat(const troupe_checkpoint* checkpoint, const char* messages, size_t length,
                                     const troupe_chat_options* options, int32_t** ids, size_t* count,
                                     troupe_error* error);

/// The same prompt as text. `text_length` may be NULL.
troupe_status troupe_checkpoint_render(const troupe_checkpoint* checkpoint, const char* messages, size_t length,
                                       const troupe_chat_options* options, char** text, size_t* text_length,
                                       troupe_error* error);

/// A line that says why the template is ChatML and not the file's own: it has none, or a broken one; empty where it is
/// its own. `text_length` may be NULL.
troupe_status troupe_checkpoint_chat_warning(const troupe_checkpoint* checkpoint, char** text, size_t* text_length,
                                             troupe_error* error);

// ------------------------------------------------------------------------------------------------- plans and graphs
// A graph is a text in TOML, as `troupe graph` prints it. Options, which may be NULL, are those to load it with.

/// Calls `visit` with each plan of at most `max_ranks` ranks that this model allows, before it returns.
typedef void (*troupe_plan_visitor)(void* user, const char* plan);
troupe_status troupe_checkpoint_plans(const troupe_checkpoint* checkpoint, uint32_t max_ranks,
                                      troupe_plan_visitor visit, void* user, troupe_error* error);

/// The graph of options->plan.
troupe_status troupe_checkpoint_expand(const troupe_checkpoint* checkpoint, const troupe_load_options* options,
                                       char** graph, troupe_error* error);

/// What one actor of a graph would hold, in bytes.
typedef struct troupe_actor_memory {
  size_t size;
  const char* actor;
  uint64_t weights, activations, other;
  uint64_t kv_block;  ///< one block of 64 positions
  uint64_t kv_full;   ///< every sequence at its full context, or what kv_memory allows
  uint64_t kv_heads;  ///< of each layer, duplicates over ranks counted
  uint64_t total;     ///< weights, activations, other and kv_full
} troupe_actor_memory;

/// Calls `visit` with each actor of a graph, before it returns.
typedef void (*troupe_memory_visitor)(void* user, const troupe_actor_memory* memory);
troupe_status troupe_checkpoint_memory(const troupe_checkpoint* checkpoint, const char* graph,
                                       const troupe_load_options* options, troupe_memory_visitor visit, void* user,
                                       troupe_error* error);

/// The listing of the program that a node of a graph would run.
troupe_status troupe_checkpoint_program(const troupe_checkpoint* checkpoint, const char* graph, const char* node,
                                        const troupe_load_options* options, char** listing, troupe_error* error);

/// A node to put into a graph: an actor of the host's.
typedef struct troupe_graph_node {
  size_t size;
  const char *name, *kind;
  const char* const* options;  ///< `option_count` pairs, names at even places, values behind them
  size_t option_count;
  uint32_t replica;
  uint32_t reserved;  ///< 0
} troupe_graph_node;

void troupe_graph_node_default(troupe_graph_node* node, size_t size);

/// A graph with a node in the edge `from` -> `to` ("node:port"), so that what flows there passes through its ports "in"
/// and "out". TROUPE_NOT_FOUND where there is no such edge.
troupe_status troupe_graph_insert(const char* graph, const troupe_graph_node* node, const char* from, const char* to,
                                  char** result, troupe_error* error);

/// The graph for Graphviz.
troupe_status troupe_graph_dot(const char* graph, char** dot, troupe_error* error);

// --------------------------------------------------------------------------------------------------------- requests

/// Added to a token's logit. Stays as it is.
typedef struct troupe_logit_bias {
  int32_t id;
  float bias;  ///< between -1e6 and 1e6, or -INFINITY: never
} troupe_logit_bias;

/// What is asked of one request. What sampling's fields mean, and between what they must be, is said in
/// troupe/sampling.hpp.
typedef struct troupe_generate_options {
  size_t size;
  const char* const* stop;  ///< the text ends before the first of these, which is never shown; at most 16
  size_t stop_count;
  const char* cache_salt;  ///< prompts share KV only where salts are equal: one for each tenant. NULL: none
  size_t cache_salt_length;
  const char* user;  ///< bytes that the host's own actors see with every row of the request. NULL: none
  size_t user_length;
  int64_t deadline_ms;  ///< from now; default -1: none
  uint64_t seed;
  float temperature;                    ///< default 0: greedy, as is less
  float top_p;                          ///< default 1
  uint32_t top_k;                       ///< default 0: all
  uint32_t max_tokens;                  ///< default 0: to the end of the text or of the context
  int32_t ignore_end;                   ///< go on past the end of the text; default 0
  int32_t parse_special;                ///< of a prompt that is text, see troupe_checkpoint_tokenize; default 1
  int32_t logprobs;                     ///< of each token and of so many of the likeliest, 0 to 20; default -1: none
  int32_t priority;                     ///< the highest of those that wait comes first; default 0
  const troupe_logit_bias* logit_bias;  ///< each token once; default NULL: none
  size_t logit_bias_count;
  const char* const* dry_breakers;  ///< what repeats goes back to these at most; default "\n", ":", "\"" and "*"
  size_t dry_breaker_count;
  const char* sampler_order;    ///< default NULL: "edskypmxt"
  uint32_t min_tokens;          ///< no token that ends the text before so many; default 0
  uint32_t choice;              ///< which of several texts of one prompt and seed; default 0
  float min_p;                  ///< default 0: all
  float typical_p;              ///< default 1: all
  float top_n_sigma;            ///< default -1: all
  float xtc_probability;        ///< default 0: never
  float xtc_threshold;          ///< default 0.1
  int32_t penalty_last_n;       ///< of how many tokens penalties know; default 64; -1: all
  float repeat_penalty;         ///< default 1: none
  float presence_penalty;       ///< default 0: none
  float frequency_penalty;      ///< default 0: none
  float dry_multiplier;         ///< default 0: no DRY
  float dry_base;               ///< default 1.75
  uint32_t dry_allowed_length;  ///< default 2
  int32_t dry_last_n;           ///< default -1: all
  int32_t mirostat;             ///< 0 (default), or 2: Mirostat 2
  float mirostat_tau;           ///< default 5
  float mirostat_eta;           ///< default 0.1
} troupe_generate_options;

void troupe_generate_options_default(troupe_generate_options* options, size_t size);

/// An id and the natural logarithm of its probability. Stays as it is.
typedef struct troupe_logprob {
  int32_t id;
  float logprob;
} troupe_logprob;

/// A piece of a stream: whole characters, at times behind the ids that they belong to.
typedef struct troupe_token {
  size_t size;
  const char* text;  ///< ends with a zero byte; may be empty
  size_t length;
  const troupe_logprob* logprobs;  ///< where they were asked for: the token's own first, then the likeliest
  size_t logprob_count;
  int32_t id;         ///< -1: of a text that is no token
  uint32_t reserved;  ///< 0
} troupe_token;

void troupe_token_default(troupe_token* token, size_t size);

/// Values of troupe_finish.reason.
enum {
  TROUPE_FINISH_END = 0,        ///< the model ended its text
  TROUPE_FINISH_STOP = 1,       ///< a stop string
  TROUPE_FINISH_LENGTH = 2,     ///< max_tokens
  TROUPE_FINISH_CONTEXT = 3,    ///< the model's context is full
  TROUPE_FINISH_CANCELLED = 4,  ///< this and what follows come with a status
  TROUPE_FINISH_DEADLINE = 5,
  TROUPE_FINISH_ERROR = 6,
};

/// "end" and so on; "unknown" where there is none. Never freed. Any thread.
const char* troupe_finish_name(int32_t reason);

/// How a stream has ended.
typedef struct troupe_finish {
  size_t size;
  const char* stop;        ///< the stop string that ended it; empty where none did
  const char* message;     ///< of `status`; empty where nothing went wrong
  int64_t first_token_ns;  ///< from the request to its first token; 0 where there was none
  uint32_t prompt_tokens;
  uint32_t cached_tokens;  ///< of the prompt's, those that the prefix cache had
  uint32_t generated_tokens;
  int32_t reason;        ///< TROUPE_FINISH_...
  troupe_status status;  ///< TROUPE_OK, or why it was cancelled, late or failed
  uint32_t reserved;     ///< 0
} troupe_finish;

void troupe_finish_default(troupe_finish* finish, size_t size);

/// Gets a stream without a thread of the host's for it: of one stream never two calls at once, and in order; on threads
/// of the runtime, which other streams wait for, so they must not block. The first may come before the call that starts
/// the request has returned. They may start and cancel requests, and free any handle. `request` is troupe_request_id.
typedef struct troupe_callbacks {
  size_t size;
  /// Anything but TROUPE_OK ends the request with it; then on_token is not called again. May be NULL.
  troupe_status (*on_token)(void* user, uint64_t request, const troupe_token* token, troupe_error* error);
  /// The last call for a request, whatever happened. May be NULL.
  void (*on_finish)(void* user, uint64_t request, const troupe_finish* finish);
  void* user;                   ///< handed to all three
  void (*release)(void* user);  ///< called once, when the two will not be called again; on any thread. May be NULL.
} troupe_callbacks;

void troupe_callbacks_default(troupe_callbacks* callbacks, size_t size);

/// A request under way.
typedef struct troupe_request troupe_request;

/// Starts a request. `options` may be NULL. Without callbacks its stream is read by troupe_request_next; with them
/// `request` may be NULL. Where it fails, no callback is called, `release` neither.
troupe_status troupe_model_generate(const troupe_model* model, const char* prompt, size_t length,
                                    const troupe_generate_options* options, const troupe_callbacks* callbacks,
                                    troupe_request** request, troupe_error* error);

/// The same for a prompt of ids.
troupe_status troupe_model_generate_ids(const troupe_model* model, const int32_t* ids, size_t count,
                                        const troupe_generate_options* options, const troupe_callbacks* callbacks,
                                        troupe_request** request, troupe_error* error);

/// Cancels a request that nobody can read any more; one with callbacks goes on, as long as its model is held. Waits as
/// troupe_model_free does where it holds the model last.
void troupe_request_free(troupe_request* request);

/// Waits for the next token, for so long at most; a negative time is no limit, and with 0 it takes what is there.
/// TROUPE_OK: `token`, whose default maker has been called, is filled; what it points to lives until the next call or
/// the request's free. TROUPE_NOT_YET: the time has passed. TROUPE_END: the text has ended. Else the request has failed
/// with that, or the call. For one thread at a time. Wakes its thread 60 times a second at most.
troupe_status troupe_request_next(troupe_request* request, int64_t timeout_ms, troupe_token* token,
                                  troupe_error* error);

/// How the stream has ended, once troupe_request_next has no more of it: TROUPE_OK, and `finish` is filled; what it
/// points to lives until the request's free. Before that TROUPE_NOT_YET. For the thread that reads.
troupe_status troupe_request_finish(troupe_request* request, troupe_finish* finish, troupe_error* error);

/// Takes effect within one step; nothing where the stream has ended. Also while another thread waits in next.
troupe_status troupe_request_cancel(troupe_request* request, troupe_error* error);

/// What troupe_step.requests says; 0 where `request` is NULL.
uint64_t troupe_request_id(const troupe_request* request);

typedef struct troupe_logits_options {
  size_t size;
  const troupe_cancellation* cancel;  ///< within one step; the call then fails with TROUPE_CANCELLED. May be NULL.
  const char* cache_salt;             ///< these as in troupe_generate_options
  size_t cache_salt_length;
  const char* user;
  size_t user_length;
  int64_t deadline_ms;
  int32_t priority;
  uint32_t first;  ///< logits of the positions before it are neither wanted nor computed; below the number of ids
} troupe_logits_options;

void troupe_logits_options_default(troupe_logits_options* options, size_t size);

/// Gets the logits of one position, `count` of them, as they are; positions in order; on a thread of the runtime, which
/// waits for it. Anything but TROUPE_OK fails the call with it.
typedef troupe_status (*troupe_logits_sink)(void* user, uint32_t position, const float* logits, size_t count,
                                            troupe_error* error);

/// Logits after the ids' last position, or after every one from `options->first` on; waits until `sink` has had all.
/// `options` may be NULL.
troupe_status troupe_model_logits(const troupe_model* model, const int32_t* ids, size_t count, int32_t every_position,
                                  const troupe_logits_options* options, troupe_logits_sink sink, void* user,
                                  troupe_error* error);

// -------------------------------------------------------------------------------------------------- a running model

/// Fills `stats`, whose default maker has been called.
troupe_status troupe_model_stats(const troupe_model* model, troupe_stats* stats, troupe_error* error);

/// Values of troupe_replica_stats.state.
enum {
  TROUPE_REPLICA_SERVING = 0,
  TROUPE_REPLICA_RESTARTING = 1,  ///< it broke; its streams wait until it is back
  TROUPE_REPLICA_DRAINING = 2,    ///< it takes no more requests
  TROUPE_REPLICA_BROKEN = 3,      ///< it broke too often, and stays so
};

/// One replica, now and since it was loaded.
typedef struct troupe_replica_stats {
  size_t size;
  uint32_t number;  ///< for troupe_model_drain
  int32_t state;    ///< TROUPE_REPLICA_...
  uint32_t queued, running;
  uint32_t kv_blocks;  ///< of 64 positions, that it may use
  uint32_t kv_used;    ///< by requests that run
  uint32_t kv_cached;  ///< by nobody now, and kept for prompts that begin with them
  uint32_t restarts;
  uint32_t preempted;  ///< requests that had to give back their blocks for older ones, each time, since it was made
  uint32_t reserved;   ///< 0
} troupe_replica_stats;

/// Calls `visit` with each replica, before it returns.
typedef void (*troupe_replica_visitor)(void* user, const troupe_replica_stats* replica);
troupe_status troupe_model_replicas(const troupe_model* model, troupe_replica_visitor visit, void* user,
                                    troupe_error* error);

/// What the experts of one layer have had to do, of a model that has some; counted from its first step.
typedef struct troupe_expert_load {
  size_t size;
  uint32_t layer;
  uint32_t experts;
  const uint64_t* rows;  ///< [experts]: that went to each; until the visitor returns
  uint64_t dropped;      ///< choices that were dropped, and that went elsewhere, for want of capacity
  uint64_t rerouted;
} troupe_expert_load;

/// Calls `visit` with each layer that has experts, before it returns.
typedef void (*troupe_expert_visitor)(void* user, const troupe_expert_load* layer);
troupe_status troupe_model_experts(const troupe_model* model, troupe_expert_visitor visit, void* user,
                                   troupe_error* error);

/// Adds replicas to a running model, waits until their weights are packed and they serve, and writes their numbers into
/// `numbers`, which has room for `count` or is NULL. Where it fails, none is added.
troupe_status troupe_model_replicate(const troupe_model* model, uint32_t count, uint32_t* numbers, troupe_error* error);

/// Has the model run as another graph (TOML) of its checkpoint while its streams go on, with the same tokens; waits
/// until the old one's threads and memory are given back. TROUPE_INVALID_ARGUMENT while another change is under way;
/// where it fails, the old one goes on. troupe_model_replicas tells the new replicas.
troupe_status troupe_model_replace(const troupe_model* model, const char* graph, troupe_error* error);

/// Takes a replica out of a running model: its streams go on elsewhere, where their positions are computed again. Waits
/// for the steps that are being run, a host's actor's among them, and until its threads and memory are given back.
/// TROUPE_NOT_FOUND where there is none of that number, TROUPE_INVALID_ARGUMENT for the last one that serves.
troupe_status troupe_model_drain(const troupe_model* model, uint32_t replica, troupe_error* error);

#ifdef __cplusplus
}
#endif

#endif
