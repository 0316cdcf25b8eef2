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

/// "invalid argument" and so on; "unknown status" for what is none. Never freed. Any thread.
const char* troupe_status_name(troupe_status status);

/// What a call says when it has failed; each call writes it anew. Who wants longer lines than it holds (the message is
/// cut at the end of a character) puts it at the beginning of a larger piece of memory, and says so by its size.
typedef struct troupe_error {
  size_t size;  ///< of the struct, or of the memory that it begins; 0: nothing is written
  troupe_status status;
  char message[1012];  ///< one line; empty after success
} troupe_error;

void troupe_error_default(troupe_error* error, size_t size);

/// For callbacks: writes an error and returns its status, so that a callback can end with it. `message` may be NULL.
troupe_status troupe_error_set(troupe_error* error, troupe_status status, const char* message);

/// Gives back a text or the ids that a call returned. NULL is nothing. Any thread.
void troupe_free(void* memory);

// ---------------------------------------------------------------------------------------------------------- runtime

/// Where everything lives: the actors' threads, and the cores that models are pinned to. Several may stand side by
/// side.
typedef struct troupe_runtime troupe_runtime;

enum { TROUPE_LOG_DEBUG = 0, TROUPE_LOG_INFO = 1, TROUPE_LOG_WARNING = 2, TROUPE_LOG_ERROR = 3 };

typedef struct troupe_runtime_options {
  size_t size;
  /// What an operator wants to know, a line each. Called from any thread, from several at once too, until the last
  /// model of the runtime has closed. Must not block. NULL: silent.
  void (*log)(void* user, int32_t level, const char* line, size_t length);
  void* user;                   ///< handed to `log` and `release`
  void (*release)(void* user);  ///< called once, when `log` will not be called again; on any thread. May be NULL.
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
} troupe_step;

/// An actor between two others: a tap, a filter, a router. Each node of a graph that names its kind is one.
typedef struct troupe_actor_kind {
  size_t size;
  void* user;  ///< handed to `create` and `release`
  /// Makes the actor of a node, from the node's options: `count` pairs, names at even places, values behind them. On
  /// the thread that loads the model. Anything but TROUPE_OK fails the load. NULL: every actor is `user`.
  troupe_status (*create)(void* user, const char* const* options, size_t count, void** actor, troupe_error* error);
  /// One step, in order; on one thread of the runtime, which waits for it. Anything but TROUPE_OK ends the requests of
  /// that step with it. Must not wait for a request of its own model.
  troupe_status (*on_step)(void* actor, const troupe_step* step, troupe_error* error);
  void (*destroy)(void* actor);  ///< of each that was created, when its model has closed; on any thread. May be NULL.
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

/// How a model file is opened, spread and run.
typedef struct troupe_load_options {
  size_t size;
  const char* plan;                ///< "pp2.tp2"; NULL or empty: one shard
  const char* isa;                 ///< "avx2", "avx512", "reference"; NULL or empty: the best of this processor
  const char* const* ignore_keys;  ///< metadata that this build does not obey and that does not matter to the host
  size_t ignore_key_count;
  /// While weights are packed, from one thread at a time; `fraction` from 0 to 1. Other than 0 cancels the load, which
  /// fails with TROUPE_CANCELLED. May be NULL.
  int32_t (*progress)(void* user, double fraction);
  void* user;             ///< handed to `progress`
  uint64_t memory_limit;  ///< bytes that the model may promise to use in all; 0: no limit
  uint32_t threads;       ///< of each shard; 0: cores / ranks
  uint32_t context;       ///< positions of a sequence; 0: the model's own
  uint32_t chunk;         ///< tokens of a step at most, 1 to 65536; default 512
  uint32_t parallel;      ///< sequences of a replica that run at once, 1 to 1024; default 16
  uint32_t queue;         ///< of a replica's requests that may wait, 1 to 2^20; default 1024
  int32_t fusion;         ///< default 1
  int32_t copy;           ///< TROUPE_COPY_...; default TROUPE_COPY_AUTO
  uint32_t reserved;      ///< 0
} troupe_load_options;

void troupe_load_options_default(troupe_load_options* options, size_t size);

/// A model file: what it says, its tokenizer, and the graphs that it can be spread over. Does not change.
typedef struct troupe_checkpoint troupe_checkpoint;

/// A checkpoint at work: a graph of actors.
typedef struct troupe_model troupe_model;

/// Opens and checks a model file; of the options, which may be NULL, `copy` and `ignore_keys` count.
troupe_status troupe_checkpoint_open(const troupe_runtime* runtime, const char* path,
                                     const troupe_load_options* options, troupe_checkpoint** checkpoint,
                                     troupe_error* error);
void troupe_checkpoint_free(troupe_checkpoint* checkpoint);

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

/// The checkpoint that a model was loaded from, as a handle of its own, to be freed.
troupe_status troupe_model_checkpoint(const troupe_model* model, troupe_checkpoint** checkpoint, troupe_error* error);

// ------------------------------------------------------------------------------------------------ what a file says

/// 0 where `checkpoint` is NULL.
uint32_t troupe_checkpoint_layers(const troupe_checkpoint* checkpoint);
uint32_t troupe_checkpoint_context(const troupe_checkpoint* checkpoint);
uint32_t troupe_checkpoint_vocabulary(const troupe_checkpoint* checkpoint);

/// Calls `visit` with each key and value of the file, before it returns: texts whole, numbers in the C locale, arrays
/// as
/// "[<count> entries]". Both end with a zero byte; `length` is the value's, which may have others in it.
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

/// The text of ids, special tokens printed. `length` may be NULL.
troupe_status troupe_checkpoint_detokenize(const troupe_checkpoint* checkpoint, const int32_t* ids, size_t count,
                                           char** text, size_t* length, troupe_error* error);

// ------------------------------------------------------------------------------------------------- plans and graphs
// A graph is a text in TOML, as `troupe graph` prints it. Options may be NULL; they are those that it will be loaded
// with.

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
  uint64_t kv_full;   ///< every sequence at its full context
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

#ifdef __cplusplus
}
#endif

#endif
