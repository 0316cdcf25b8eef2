#include "actors/host/open.hpp"

#include <algorithm>
#include <set>

#include "runtime/model/file_kind.hpp"
#include "runtime/model/split_model.hpp"
#include "runtime/text/joined.hpp"
#include "runtime/text/utf8.hpp"

namespace troupe::host {
namespace {

template <class T>
Result<const T*> look_up(const std::vector<const T*>& plugins, std::string_view name, const std::string& where) {
  for (const T* plugin : plugins) {
    if (plugin->name == name) return plugin;
  }
  return Error(Code::unsupported,
               where + " " + quoted(name) + " is not supported; known are " + joined(plugins, &T::name));
}

Result<const FileFormat*> recognise(const FileBytes& file, const plugins::Registry& registry) {
  for (const FileFormat* format : registry.formats) {
    const auto magic = std::as_bytes(std::span(format->magic));
    const auto head = file.bytes().first(std::min(magic.size(), file.bytes().size()));
    if (std::equal(head.begin(), head.end(), magic.begin(), magic.end())) return format;
  }
  return of_no_format(file, joined(registry.formats, &FileFormat::name));
}

/// An ignored key is as if the file did not have it, for whoever reads it from here on.
void leave_out(ModelFile& file, const std::vector<std::string>& keys) {
  std::erase_if(file.metadata,
                [&](const MetaEntry& entry) { return std::find(keys.begin(), keys.end(), entry.key) != keys.end(); });
}

/// A whole model as one shard would hold it.
GraphNode whole(const ModelDescription& model) {
  GraphNode node{.name = "whole", .kind = "shard"};
  node.layers = {0, model.layer_count()};
  node.attention = {0, model.attention_leaves()};
  node.ffn = {0, model.ffn_leaves()};
  node.vocabulary = {0, model.vocabulary};
  return node;
}

/// A tensor that nobody reads means a model that this architecture only resembles.
Result<void> check_tensors(const Checkpoint::Impl& checkpoint, const Program& program) {
  std::set<std::string_view> read(checkpoint.model.described.begin(), checkpoint.model.described.end());
  for (const Weight& weight : program.weights) read.insert(weight.tensor);
  for (const FileTensor& tensor : checkpoint.file.tensors) {
    if (read.contains(tensor.name)) continue;
    return Error(Code::unsupported, checkpoint.file.path + ": tensor " + quoted(tensor.name) + " is not part of what " +
                                        std::string(checkpoint.architecture->name) + " models are known to have");
  }
  return {};
}

using Bytes = std::shared_ptr<const FileBytes>;

Result<void> open_adapter(Checkpoint::Impl& checkpoint, const Program& program, const Bytes& bytes, float scale,
                          const plugins::Registry& registry) {
  const auto format = recognise(*bytes, registry);
  if (!format) return format.error();
  if ((*format)->open_adapter == nullptr) {
    return Error(Code::unsupported,
                 quoted(bytes->path()) + ": is a " + std::string((*format)->name) + " file, which is no adapter");
  }
  auto file = (*format)->open_adapter(bytes);
  if (!file) return file.error();
  leave_out(*file, checkpoint.options.ignore_keys);
  AdaptedModel model{checkpoint.file, checkpoint.model.ends.embedding, {}};
  for (const Weight& weight : program.weights) {
    if (weight.use != Weight::Use::vector) model.matrices.insert(weight.tensor);
  }
  auto adapter = read_adapter(*file, model, scale);
  if (!adapter) return adapter.error();
  checkpoint.adapters.push_back(std::move(*adapter));
  checkpoint.files.push_back(bytes);
  return {};
}

/// The model's tensors have their places, and those of its adapters.
Result<void> check_and_adapt(Checkpoint::Impl& checkpoint, const std::vector<Bytes>& adapters,
                             const plugins::Registry& registry) {
  const auto program =
      build_program(*checkpoint.architecture, checkpoint.file, checkpoint.model, whole(checkpoint.model), {});
  if (!program) return program.error();
  if (const auto checked = check_tensors(checkpoint, *program); !checked) return checked.error();
  for (std::size_t i = 0; i < adapters.size(); ++i) {
    const float scale = checkpoint.options.adapters[i].scale;
    if (auto opened = open_adapter(checkpoint, *program, adapters[i], scale, registry); !opened) return opened.error();
  }
  return {};
}

Result<std::shared_ptr<const Tokenizer>> open_tokenizer(const Checkpoint::Impl& checkpoint,
                                                        const plugins::Registry& registry) {
  const ModelFile& file = checkpoint.file;
  const auto name = file.string("tokenizer.ggml.model");
  if (!name) return name.error();
  const auto format = look_up(registry.tokenizers, *name, file.path + ": tokenizer.ggml.model");
  if (!format) return format.error();
  if (const auto heard = check_keys(file, "tokenizer", (*format)->keys); !heard) return heard.error();
  auto tokenizer = (*format)->create(file);
  if (!tokenizer) return tokenizer.error();
  return std::shared_ptr<const Tokenizer>(std::move(*tokenizer));
}

Result<void> check_size(const Checkpoint::Impl& checkpoint) {
  const std::size_t tokens = checkpoint.tokenizer->size();
  if (tokens <= checkpoint.model.vocabulary) return {};
  return Error(Code::bad_file, checkpoint.file.path + ": the tokenizer has " + std::to_string(tokens) +
                                   " tokens, the embedding only " + std::to_string(checkpoint.model.vocabulary));
}

std::string name_of(const FileDescriptor& file) {
  return file.name.empty() ? "descriptor " + std::to_string(file.number) : file.name;
}

/// A source's bytes, copied where that is asked for.
Result<Bytes> bytes_of(const ModelSource& source, std::optional<bool> copy) {
  if (const auto* path = std::get_if<std::string>(&source)) return FileBytes::open(*path, copy);
  if (const auto* file = std::get_if<FileDescriptor>(&source)) {
    return FileBytes::open(file->number, name_of(*file), copy);
  }
  const auto& memory = std::get<FileInMemory>(source);
  auto lent = FileBytes::lend(memory.name, memory.bytes, memory.owner);
  if (!copy.value_or(false) || memory.bytes.empty()) return lent;
  return lent->copied();
}

Result<std::vector<Bytes>> bytes_of(const std::vector<AdapterFile>& adapters, std::optional<bool> copy) {
  std::vector<Bytes> all;
  for (const AdapterFile& adapter : adapters) {
    auto bytes = FileBytes::open(adapter.path, copy);
    if (!bytes) return bytes.error();
    all.push_back(std::move(*bytes));
  }
  return all;
}

/// The parts beside the first, of a source that is a path.
OpenParts parts_beside(const ModelSource& source, std::optional<bool> copy) {
  return [&source, copy](std::uint32_t count) -> Result<OtherParts> {
    if (const auto* path = std::get_if<std::string>(&source)) return open_parts_beside(*path, count, copy);
    return Error(Code::unsupported, quoted(host::name_of(source)) + ": is part 1 of " + std::to_string(count) +
                                        " of a split model, whose other parts are found by its path alone; open it by "
                                        "that, or join the parts (llama-gguf-split --merge)");
  };
}

Result<void> set_experts_used(Checkpoint::Impl& checkpoint) {
  const std::uint32_t wanted = checkpoint.options.experts_used, experts = checkpoint.model.fewest_experts();
  if (wanted == 0) return {};
  if (wanted > experts) {
    return Error(Code::invalid_argument,
                 "experts used (LoadOptions::experts_used, --experts-used): " + std::to_string(wanted) +
                     " of each row; the model has " + (experts == 0 ? "none" : std::to_string(experts)));
  }
  checkpoint.model.experts.used = wanted;
  return {};
}

Result<void> set_expert_capacity(Checkpoint::Impl& checkpoint) {
  const ExpertCapacity& wanted = checkpoint.options.expert_capacity;
  if (wanted.beyond == ExpertCapacity::Beyond::none) return {};
  const auto refuse = [](const std::string& why) {
    return Error(Code::invalid_argument, "expert capacity (LoadOptions::expert_capacity, --expert-capacity): " + why);
  };
  if (!(wanted.factor > 0.0F && wanted.factor <= 1e6F)) {
    return refuse("its factor is " + shown_value(double{wanted.factor}) +
                  "; it must be above 0 and at most 1000000, as 1.25");
  }
  if (checkpoint.model.fewest_experts() == 0) return refuse("the model has no experts");
  checkpoint.model.experts.capacity = wanted;
  return {};
}

/// Where the bytes of a checkpoint's files come from.
struct FilesToOpen {
  Bytes first;
  OpenParts others;
  std::vector<Bytes> adapters;
};

OpenedCheckpoint open_files(const FilesToOpen& files, const plugins::Registry& registry,
                            const host::OpenOptions& options) {
  const auto format = recognise(*files.first, registry);
  if (!format) return format.error();
  auto checkpoint = std::make_shared<Checkpoint::Impl>();
  checkpoint->files = {files.first};
  auto file = open_model(**format, files.first, [&](std::uint32_t count) {
    auto others = files.others(count);
    if (others) checkpoint->files.insert(checkpoint->files.end(), others->begin(), others->end());
    return others;
  });
  if (!file) return file.error();
  if (file->tensors.empty()) return without_tensors(*file);
  file->sort_names();
  checkpoint->options = options;
  checkpoint->devices = registry.devices;
  checkpoint->file = std::move(*file);
  leave_out(checkpoint->file, options.ignore_keys);

  const auto name = checkpoint->file.string("general.architecture");
  if (!name) return name.error();
  const auto architecture = look_up(registry.architectures, *name, checkpoint->file.path + ": general.architecture");
  if (!architecture) return architecture.error();
  checkpoint->architecture = *architecture;
  auto model = (*architecture)->describe(checkpoint->file);
  if (!model) return model.error();
  if (const auto heard = check_keys(checkpoint->file, *name, (*architecture)->keys); !heard) return heard.error();
  checkpoint->model = std::move(*model);
  if (const auto set = set_experts_used(*checkpoint); !set) return set.error();
  if (const auto set = set_expert_capacity(*checkpoint); !set) return set.error();
  if (const auto checked = check_and_adapt(*checkpoint, files.adapters, registry); !checked) return checked.error();
  auto tokenizer = open_tokenizer(*checkpoint, registry);
  if (!tokenizer) return tokenizer.error();
  checkpoint->tokenizer = std::move(*tokenizer);
  checkpoint->chat = chat_of(checkpoint->file, *checkpoint->tokenizer);
  if (const auto checked = check_size(*checkpoint); !checked) return checked.error();
  checkpoint->model.tokens = static_cast<std::uint32_t>(checkpoint->tokenizer->size());
  return std::shared_ptr<const Checkpoint::Impl>(std::move(checkpoint));
}

}  // namespace

std::string name_of(const ModelSource& source) {
  if (const auto* path = std::get_if<std::string>(&source)) return *path;
  if (const auto* file = std::get_if<FileDescriptor>(&source)) return name_of(*file);
  return std::get<FileInMemory>(source).name;
}

OpenedCheckpoint open_checkpoint(const ModelSource& source, const plugins::Registry& registry,
                                 const LoadOptions& options) {
  auto bytes = bytes_of(source, options.copy);
  if (!bytes) return bytes.error();
  auto adapters = bytes_of(options.adapters, options.copy);
  if (!adapters) return adapters.error();
  return open_files({std::move(*bytes), parts_beside(source, options.copy), std::move(*adapters)}, registry,
                    {options.ignore_keys, options.adapters, options.experts_used, options.expert_capacity});
}

OpenedCheckpoint open_for_tokenizer(const ModelSource& source, const plugins::Registry& registry,
                                    const LoadOptions& options) {
  const auto bytes = bytes_of(source, options.copy);
  if (!bytes) return bytes.error();
  const auto format = recognise(**bytes, registry);
  if (!format) return format.error();
  const auto open = (*format)->open_keys != nullptr ? (*format)->open_keys : (*format)->open;
  auto file = open(*bytes);
  if (!file) return file.error();
  if (const auto is_first = parts_of(*file); !is_first) return is_first.error();
  auto checkpoint = std::make_shared<Checkpoint::Impl>();
  checkpoint->files = {*bytes};
  checkpoint->options.ignore_keys = options.ignore_keys;
  checkpoint->file = std::move(*file);
  checkpoint->file.tensors.clear();
  leave_out(checkpoint->file, options.ignore_keys);
  auto tokenizer = open_tokenizer(*checkpoint, registry);
  if (!tokenizer) return tokenizer.error();
  checkpoint->tokenizer = std::move(*tokenizer);
  checkpoint->chat = chat_of(checkpoint->file, *checkpoint->tokenizer);
  checkpoint->model.vocabulary = static_cast<std::uint32_t>(checkpoint->tokenizer->size());
  return std::shared_ptr<const Checkpoint::Impl>(std::move(checkpoint));
}

OpenedCheckpoint copied(const std::shared_ptr<const Checkpoint::Impl>& checkpoint, const plugins::Registry& registry) {
  const auto is_copy = [](const Bytes& bytes) { return bytes->copied_bytes() != 0; };
  const std::vector<Bytes>& files = checkpoint->files;
  if (std::all_of(files.begin(), files.end(), is_copy)) return checkpoint;
  std::vector<Bytes> copies;
  for (const Bytes& file : files) {
    auto copy = is_copy(file) ? Result<Bytes>(file) : file->copied();
    if (!copy) return copy.error();
    copies.push_back(std::move(*copy));
  }
  const auto parts = copies.end() - static_cast<std::ptrdiff_t>(checkpoint->adapters.size());
  const OpenParts others = [&](std::uint32_t) -> Result<OtherParts> { return OtherParts(copies.begin() + 1, parts); };
  return open_files({copies.front(), others, {parts, copies.end()}}, registry, checkpoint->options);
}

}  // namespace troupe::host
