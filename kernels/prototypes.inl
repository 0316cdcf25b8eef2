// The kernels of one instruction set, included inside its namespace: see kernels/table.hpp for what each does.

#define TROUPE_PROTOTYPE(kernel) std::remove_pointer_t<decltype(KernelTable::kernel)> kernel;
TROUPE_KERNELS(TROUPE_PROTOTYPE)
#undef TROUPE_PROTOTYPE

/// These functions, by the table's names.
extern const KernelTable table;
