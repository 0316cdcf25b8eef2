// The table of one instruction set, included inside its namespace, which says its `table_name` and what processor
// `runs_here`.

#define TROUPE_FILL(kernel) .kernel = kernel,
extern constinit const KernelTable table{.name = table_name, .runs_here = runs_here, TROUPE_KERNELS(TROUPE_FILL)};
#undef TROUPE_FILL
