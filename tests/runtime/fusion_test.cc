#include "runtime/program/fusion.hpp"

#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <set>

#include "plugins/builtin.hpp"
#include "runtime/deploy/blueprint.hpp"
#include "runtime/device/cpu/rules.hpp"
#include "runtime/program/builder.hpp"
#include "runtime/program/layout.hpp"
#include "tests/runtime/plan_fixture.hpp"

namespace troupe::testing {
namespace {

/// A model file without data: the tensors that an architecture asks for, of the right shapes.
class Shapes {
 public:
  explicit Shapes(const ModelDescription& model, kernels::Format matrices = kernels::Format::q8_0)
      : matrices_(matrices) {
    const std::uint64_t hidden = model.hidden;
    file_.path = "shapes";
    add("token_embd.weight", model.vocabulary, hidden);
    add("output_norm.weight", 1, hidden);
    for (std::uint32_t layer = 0; layer < model.layer_count(); ++layer) {
      const std::string blk = "blk." + std::to_string(layer) + ".";
      const LayerShape& shape = model.layers[layer];
      const std::uint64_t q = shape.heads * shape.head_dim, kv = shape.kv_heads * shape.head_dim, ffn = shape.ffn;
      for (const char* norm :
           {"attn_norm.weight", "ffn_norm.weight", "post_attention_norm.weight", "post_ffw_norm.weight"}) {
        add(blk + norm, 1, hidden);
      }
      for (const char* norm : {"attn_q_norm.weight", "attn_k_norm.weight"}) add(blk + norm, 1, shape.head_dim);
      add(blk + "attn_q.weight", q, hidden);
      add(blk + "attn_k.weight", kv, hidden);
      add(blk + "attn_v.weight", kv, hidden);
      add(blk + "attn_output.weight", hidden, q);
      add(blk + "ffn_gate.weight", ffn, hidden);
      add(blk + "ffn_up.weight", ffn, hidden);
      add(blk + "ffn_down.weight", hidden, ffn);
    }
  }
  [[nodiscard]] const ModelFile& file() const { return file_; }

 private:
  void add(const std::string& name, std::uint64_t rows, std::uint64_t columns) {
    names_.push_back(name);
    file_.tensors.push_back({names_.back(), rows == 1 ? kernels::Format::f32 : matrices_, rows, columns, {}});
  }
  kernels::Format matrices_;
  std::deque<std::string> names_;
  ModelFile file_;
};

ModelDescription with_head(ModelDescription model) {
  model.ends = {"token_embd.weight", "output_norm.weight", "token_embd.weight"};
  model.rotations.assign(2, {kernels::RopeStyle::adjacent, 64, 10000.0});
  return model;
}

Program program_of(const Architecture& architecture, const ModelDescription& model, const std::string& plan,
                   const char* node, kernels::Format matrices = kernels::Format::q8_0) {
  const Shapes shapes(model, matrices);
  const Graph graph = graph_of(plan, model);
  return build_program(architecture, shapes.file(), model, *find_node(graph, node), ranks_of(graph, node)).value();
}

using Kinds = std::vector<std::string>;

Kinds kinds(const std::vector<Op>& ops) {
  Kinds names;
  for (const Op& op : ops) names.emplace_back(name_of(op));
  return names;
}

Kinds repeated(Kinds first, const Kinds& layer, std::uint32_t layers, const Kinds& last = {}) {
  for (std::uint32_t i = 0; i < layers; ++i) first.insert(first.end(), layer.begin(), layer.end());
  first.insert(first.end(), last.begin(), last.end());
  return first;
}

/// First and last op that touches each value, all sections counted through; one that outlives a section of tiles is
/// alive in all of it, and hidden all the time.
struct Life {
  std::size_t first = SIZE_MAX, last = 0;
};

std::vector<Life> lives(const Program& program) {
  std::vector<Life> result(program.values.size());
  std::vector<std::size_t> ends{0};
  for (const Section& section : program.sections) {
    std::size_t at = ends.back();
    for (const Op& op : section.ops) {
      for_each_value(op, [&](ValueId id, Access) {
        result[id].first = std::min(result[id].first, at);
        result[id].last = std::max(result[id].last, at);
      });
      ++at;
    }
    ends.push_back(at);
  }
  for (std::size_t i = 0; i < program.sections.size(); ++i) {
    if (program.spaces[program.sections[i].space].tile == 0) continue;
    const std::size_t begin = ends[i], last = ends[i + 1] - 1;
    for (Life& life : result) {
      if (life.first > last || life.last < begin || (life.first >= begin && life.last <= last)) continue;
      life = {std::min(life.first, begin), std::max(life.last, last)};
    }
  }
  result[program.hidden] = {0, ends.back()};
  return result;
}

void check_layout(const Program& program, std::size_t rows) {
  const Layout layout = lay_out(program, rows);
  const std::vector<Life> alive = lives(program);
  const auto end = [&](ValueId id) {
    return layout.offsets[id] + row_bytes(program.values[id]) * program.spaces[program.values[id].space].most(rows);
  };
  for (ValueId a = 0; a < program.values.size(); ++a) {
    if (alive[a].first == SIZE_MAX) continue;
    REQUIRE(layout.offsets[a] % 64 == 0);
    REQUIRE(end(a) <= layout.bytes);
    for (ValueId b = 0; b < a; ++b) {
      if (alive[b].first == SIZE_MAX || alive[a].first > alive[b].last || alive[b].first > alive[a].last) continue;
      INFO(program.values[a].name << " and " << program.values[b].name);
      REQUIRE((end(a) <= layout.offsets[b] || end(b) <= layout.offsets[a]));
    }
  }
}

/// Every value is written before it is read, by what comes before it, and untouched while a collective has it.
void check_order(const Program& program, bool from_before) {
  std::set<ValueId> written;
  if (from_before) written.insert(program.hidden);
  std::map<EventId, std::set<ValueId>> under_way;
  for (const Section& section : program.sections) {
    for (const Op& op : section.ops) {
      if (const auto* await = std::get_if<ops::Await>(&op.what)) {
        REQUIRE(under_way.at(await->done) == std::set<ValueId>{await->from, await->to});
        under_way.erase(await->done);
      }
      for_each_value(op, [&](ValueId id, Access access) {
        for (const auto& [event, values] : under_way) REQUIRE_FALSE(values.contains(id));
        INFO(name_of(op) << " of layer " << op.layer << " reads " << program.values[id].name);
        REQUIRE((access == Access::write || written.contains(id)));
        if (access != Access::read) written.insert(id);
      });
      if (const auto* reduce = std::get_if<ops::AllReduce>(&op.what)) under_way[reduce->done] = {reduce->sum};
      if (const auto* reduce = std::get_if<ops::ReduceRows>(&op.what)) under_way[reduce->done] = {reduce->sum};
      if (const auto* gather = std::get_if<ops::GatherParts>(&op.what)) under_way[gather->done] = {gather->x};
      if (const auto* spread = std::get_if<ops::Broadcast>(&op.what)) under_way[spread->done] = {spread->value};
      if (const auto* gather = std::get_if<ops::AllGather>(&op.what)) {
        under_way[gather->done] = {gather->x, gather->all};
      }
    }
  }
}

const std::set<std::string> replaced{
    "rms_norm",          "quantize",         "from_fixed", "reduce_rows", "rope",     "kv_append", "attention_scores",
    "attention_softmax", "attention_values", "attention",  "silu_mul",    "gelu_mul", "add"};

}  // namespace

TEST_CASE("a llama's layers become eight ops each") {
  const auto model = with_head(smollm2());
  Program program = program_of(plugins::llama, model, "tp1", "r0.s0.t0");
  const Kinds plain{"rms_norm",
                    "quantize",
                    "matmul",
                    "matmul",
                    "matmul",
                    "rope",
                    "rope",
                    "kv_append",
                    "attention_scores",
                    "attention_softmax",
                    "attention_values",
                    "quantize",
                    "matmul_partial",
                    "from_fixed",
                    "add",
                    "rms_norm",
                    "quantize",
                    "matmul",
                    "matmul",
                    "silu_mul",
                    "quantize",
                    "matmul_partial",
                    "from_fixed",
                    "add"};
  CHECK(kinds(program.sections[0].ops) == repeated({"embed"}, plain, 30, {"select_wanted"}));
  CHECK(kinds(program.sections[1].ops) == Kinds{"gather_rows", "rms_norm", "quantize", "matmul"});
  REQUIRE(fuse(program, cpu_rules()));
  CHECK(kinds(program.sections[0].ops) == repeated({"embed", "norm_quantize"},
                                                   {"matmul", "rope_append", "attention_quantize", "matmul_leaves",
                                                    "residual", "silu_gate", "matmul_leaves", "residual"},
                                                   30, {"select_wanted"}));
  CHECK(kinds(program.sections[1].ops) == Kinds{"gather_rows", "norm_quantize", "matmul"});
}

TEST_CASE("what float weights multiply is not quantised") {
  Program program = program_of(plugins::llama, with_head(smollm2()), "tp1", "r0.s0.t0", kernels::Format::bf16);
  REQUIRE(fuse(program, cpu_rules()));
  CHECK(kinds(program.sections[0].ops) ==
        repeated({"embed"},
                 {"rms_norm", "matmul", "rope_append", "attention", "matmul_leaves", "residual", "rms_norm", "matmul",
                  "silu_mul", "matmul_leaves", "residual"},
                 30, {"select_wanted"}));
  CHECK(kinds(program.sections[1].ops) == Kinds{"gather_rows", "rms_norm", "matmul"});
}

TEST_CASE("leaves are whole blocks of 32 columns where rows are, and elsewhere what divides") {
  const auto of = [](std::uint32_t units, std::uint32_t columns) {
    const Leaves leaves = leaves_of(units, columns);
    return std::pair(leaves.count, leaves.units);
  };
  using Pair = std::pair<std::uint32_t, std::uint32_t>;
  CHECK(of(9, 64) == Pair(9, 1));      // SmolLM2's heads
  CHECK(of(1536, 1) == Pair(8, 192));  // and its FFN
  CHECK(of(4, 256) == Pair(4, 1));     // Gemma3's
  CHECK(of(32, 80) == Pair(8, 4));     // pairs of heads are whole blocks
  CHECK(of(8, 48) == Pair(4, 2));
  CHECK(of(9, 80) == Pair(9, 1));  // a row is not
  CHECK(of(688, 1) == Pair(8, 86));
  CHECK(of(1000, 1) == Pair(8, 125));
  CHECK(of(43, 1) == Pair(43, 1));
  CHECK(of(5, 1) == Pair(5, 1));
  CHECK(of(4099, 1).first > most_leaves);
}

TEST_CASE("with ranks beside it, a llama's sums end in one op each") {
  Program program = program_of(plugins::llama, with_head(smollm2()), "pp2.tp2", "r0.s1.t0");
  const auto layers = static_cast<std::uint32_t>(program.kv.size());
  REQUIRE(program.sections[0].ops.size() == 2 + 32 * layers + 1);
  REQUIRE(fuse(program, cpu_rules()));
  CHECK(kinds(program.sections[0].ops) == repeated({"broadcast", "await", "norm_quantize"},
                                                   {"matmul", "rope_append", "attention_quantize", "matmul_partial",
                                                    "residual", "silu_gate", "matmul_partial", "residual"},
                                                   layers, {"gather_parts", "await", "select_wanted"}));
  CHECK(kinds(program.sections[1].ops) == Kinds{"gather_rows", "norm_quantize", "matmul", "all_gather", "await"});
}

TEST_CASE("a gemma3's layers become ten ops each") {
  Program program = program_of(plugins::gemma3, with_head(gemma3()), "tp1", "r0.s0.t0");
  REQUIRE(program.sections[0].ops.size() == 2 + 28 * 18);
  REQUIRE(fuse(program, cpu_rules()));
  CHECK(kinds(program.sections[0].ops) ==
        repeated({"embed", "norm_quantize"},
                 {"matmul", "head_norm", "head_norm", "rope_append", "attention_quantize", "matmul_leaves", "residual",
                  "gelu_gate", "matmul_leaves", "residual"},
                 18, {"select_wanted"}));
  std::size_t norms_first = 0;
  for (const Op& op : program.sections[0].ops) {
    const auto* residual = std::get_if<ops::Residual>(&op.what);
    norms_first += residual != nullptr && residual->norm ? 1 : 0;
  }
  CHECK(norms_first == 36);
}

TEST_CASE("fusion leaves no op that a rule should have taken, and no two live values overlap") {
  for (const Architecture* architecture : {&plugins::llama, &plugins::gemma3}) {
    for (const auto& [plan, node] : std::vector<std::pair<std::string, const char*>>{{"tp1", "r0.s0.t0"},
                                                                                     {"pp2", "r0.s0.t0"},
                                                                                     {"pp2", "r0.s1.t0"},
                                                                                     {"tp3", "r0.s0.t1"},
                                                                                     {"pp2.tp2:1", "r0.s1.t1"}}) {
      INFO(architecture->name << " " << plan << " " << node);
      const auto model = with_head(architecture == &plugins::llama ? smollm2() : gemma3());
      Program program = program_of(*architecture, model, plan, node);
      const bool from_before = find_node(graph_of(plan, model), node)->layers.first > 0;
      check_order(program, from_before);
      for (const std::size_t rows : {1, 16, 77, 512}) check_layout(program, rows);
      REQUIRE(fuse(program, cpu_rules()));
      for (const Section& section : program.sections) {
        for (std::size_t i = 0; i < section.ops.size(); ++i) {
          const std::string name(name_of(section.ops[i])), before(i == 0 ? "" : name_of(section.ops[i - 1]));
          INFO(name << " of layer " << section.ops[i].layer);
          CHECK_FALSE(replaced.contains(name));
          CHECK_FALSE((name == "matmul" && before == name));
          CHECK_FALSE((name == "norm_quantize" && before == "residual"));
        }
      }
      check_order(program, from_before);
      for (const std::size_t rows : {1, 16, 77, 512}) check_layout(program, rows);
    }
  }
}

/// A program of these ops, and of others in a section behind them, fused.
Program fused(std::vector<ops::Any> ops, std::vector<ops::Any> behind = {}) {
  Program program;
  for (int id = 0; id < 10; ++id) program.values.push_back({"v" + std::to_string(id), ValueType::f32, 32});
  for (auto* what : {&ops, &behind}) {
    Section& section = program.sections.emplace_back();
    for (ops::Any& each : *what) section.ops.push_back({0, std::move(each)});
  }
  REQUIRE(fuse(program, cpu_rules()));
  return program;
}

TEST_CASE("a value that is read elsewhere is not fused away") {
  const ops::RmsNorm norm{0, 0, 1, 0};
  const ops::Quantize quantize{1, 2};
  const ops::HeadNorm reads_1{1, 0, 5, 0, 1, 32}, reads_2{2, 0, 5, 0, 1, 32}, reads_3{3, 0, 5, 0, 1, 32};
  CHECK(kinds(fused({norm, quantize}).sections[0].ops) == Kinds{"norm_quantize"});
  CHECK(kinds(fused({norm, quantize, reads_1}).sections[0].ops) == Kinds{"rms_norm", "quantize", "head_norm"});
  CHECK(kinds(fused({norm, quantize}, {reads_1}).sections[0].ops) == Kinds{"rms_norm", "quantize"});
  CHECK(kinds(fused({norm, ops::Quantize{5, 2}}).sections[0].ops) == Kinds{"rms_norm", "quantize"});

  const ops::Matmul gate{0, {{0, 1}}}, up{0, {{1, 2}}}, other{4, {{1, 2}}};
  const ops::SiluMul silu{1, 2, 3};
  CHECK(kinds(fused({gate, other}).sections[0].ops) == Kinds{"matmul", "matmul"});
  CHECK(kinds(fused({gate, up, silu, ops::Quantize{3, 4}}).sections[0].ops) == Kinds{"silu_gate"});
  CHECK(kinds(fused({gate, up, ops::SiluMul{2, 1, 3}, ops::Quantize{3, 4}}).sections[0].ops) ==
        Kinds{"matmul", "silu_mul", "quantize"});
  for (const ops::HeadNorm& reads : {reads_2, reads_3}) {
    CHECK(kinds(fused({gate, up, silu, ops::Quantize{3, 4}, reads}).sections[0].ops) ==
          Kinds{"matmul", "silu_mul", "quantize", "head_norm"});
  }

  const ops::AttentionScores scores{0, 1, {}};
  const ops::AttentionSoftmax softmax{0, 1, 2, 3, {}};
  const ops::AttentionValues values{0, 1, 2, 3, 4, {}};
  CHECK(kinds(fused({scores, softmax, values}).sections[0].ops) == Kinds{"attention"});
  for (const ops::HeadNorm& reads : {reads_1, reads_2, reads_3}) {
    CHECK(kinds(fused({scores, softmax, values, reads}).sections[0].ops) ==
          Kinds{"attention_scores", "attention_softmax", "attention_values", "head_norm"});
  }
  CHECK(kinds(fused({ops::MatmulPartial{0, 0, 1}, ops::FromFixed{1, 2}, ops::Add{2, 0}}).sections[0].ops) ==
        Kinds{"matmul_leaves", "residual"});
  CHECK(kinds(fused({ops::MatmulPartial{0, 0, 1}, ops::FromFixed{1, 2}, reads_1}).sections[0].ops) ==
        Kinds{"matmul_partial", "from_fixed", "head_norm"});
  CHECK(kinds(fused({ops::ReduceRows{1, 0, 0}, ops::Await{0, 1, 1}, ops::FromFixed{1, 2}, ops::Add{2, 0}})
                  .sections[0]
                  .ops) == Kinds{"residual"});
  CHECK(kinds(fused({ops::ReduceRows{1, 0, 0}, ops::Await{0, 1, 1}, ops::FromFixed{1, 2}, ops::Add{2, 0}, reads_2})
                  .sections[0]
                  .ops) == Kinds{"reduce_rows", "await", "from_fixed", "residual", "head_norm"});
}

TEST_CASE("what a sum's rows come to is gathered in the same op, where that is what the ranks shared out") {
  const std::vector<ops::Any> sum{ops::ReduceRows{1, 0, 0}, ops::Await{0, 1, 1},      ops::FromFixed{1, 2},
                                  ops::Add{2, 0},           ops::RmsNorm{0, 0, 3, 0}, ops::Quantize{3, 4}};
  const auto with = [&](ops::Any gather, EventId awaited = 1) {
    auto ops = sum;
    ops.push_back(std::move(gather));
    ops.push_back(ops::Await{awaited, 4, 4});
    return kinds(fused(ops).sections[0].ops);
  };
  CHECK(with(ops::GatherParts{4, 0, 1}) == Kinds{"residual"});
  CHECK(with(ops::GatherParts{0, 0, 1}) == Kinds{"residual", "gather_parts", "await"});
  CHECK(with(ops::GatherParts{4, 1, 1}) == Kinds{"residual", "gather_parts", "await"});
  CHECK(with(ops::GatherParts{4, 0, 2}) == Kinds{"residual", "gather_parts", "await"});
  CHECK(with(ops::AllReduce{4, 0, 1}) == Kinds{"residual", "all_reduce", "await"});
}

TEST_CASE("of few rows each rank has all, of many its part") {
  const auto parts = [](std::uint32_t rows, std::uint32_t ranks) {
    std::vector<Range> all;
    for (std::uint32_t rank = 0; rank < ranks; ++rank) all.push_back(part_of_rows(rows, rank, ranks));
    return all;
  };
  CHECK(parts(0, 2) == std::vector<Range>{{0, 0}, {0, 0}});
  CHECK(parts(31, 2) == std::vector<Range>{{0, 31}, {0, 31}});
  CHECK(parts(32, 2) == std::vector<Range>{{0, 16}, {16, 32}});
  CHECK(parts(33, 2) == std::vector<Range>{{0, 16}, {16, 33}});
  CHECK(parts(50, 3) == std::vector<Range>{{0, 16}, {16, 33}, {33, 50}});
}

TEST_CASE("keys that are rotated and appended in one op may be read later") {
  const ops::Rope q{1, 1, 32, 0}, k{2, 1, 32, 0};
  const Program program = fused({ops::RmsNorm{0, 0, 1, 0}, ops::RmsNorm{0, 0, 2, 0}, ops::RmsNorm{0, 0, 3, 0}, q, k,
                                 ops::KvAppend{2, 3, 0}, ops::RmsNorm{1, 0, 4, 0}, ops::RmsNorm{2, 0, 5, 0}});
  CHECK(kinds(program.sections[0].ops) ==
        Kinds{"rms_norm", "rms_norm", "rms_norm", "rope_append", "rms_norm", "rms_norm"});
  check_layout(program, 4);
  const Program other = fused({q, ops::Rope{4, 1, 32, 0}, ops::KvAppend{2, 3, 0}});
  CHECK(kinds(other.sections[0].ops) == Kinds{"rope", "rope", "kv_append"});
}

TEST_CASE("what a section of tiles needs of others, and others of it, it does not overwrite") {
  Program program;
  program.spaces.push_back({.name = "routed", .per_row = 2, .tile = 4});
  const auto value = [&](SpaceId space) {
    program.values.push_back({"v", ValueType::f32, 16, space});
    return static_cast<ValueId>(program.values.size() - 1);
  };
  program.hidden = value(0);
  const ValueId before = value(0), a = value(1), b = value(1), sum = value(0), after = value(0), last = value(0);
  const auto copy = [](ValueId x, ValueId y) { return Op{0, ops::GatherRows{x, y}}; };
  program.sections = {
      {"one", 0, {copy(program.hidden, before), copy(program.hidden, sum)}},
      {"tiles", 1, {copy(before, a), copy(a, b), {0, ops::Add{b, sum}}}},
      {"two", 0, {copy(sum, after), copy(after, last), {0, ops::Add{last, program.hidden}}}},
  };
  CHECK(program.spaces[1].most(1) == 2);
  CHECK(program.spaces[1].most(100) == 4);
  for (const std::size_t rows : {1, 16, 77}) check_layout(program, rows);
  const Layout layout = lay_out(program, 77);
  CHECK(layout.offsets[after] != layout.offsets[sum]);
  CHECK(layout.offsets[after] == layout.offsets[before]);  // which is dead by then
}

TEST_CASE("a tensor of planes is refused where a matrix is asked for", "[bad-input]") {
  const auto model = with_head(tiny());
  const Shapes shapes(model);
  const Graph graph = graph_of("tp1", model);
  for (const char* name : {"blk.1.attn_q.weight", "blk.2.ffn_norm.weight", "token_embd.weight"}) {
    ModelFile file = shapes.file();
    for (FileTensor& tensor : file.tensors) tensor.planes = tensor.name == name ? 2 : 1;
    const auto program = build_program(plugins::llama, file, model, graph.nodes[0], {});
    REQUIRE_FALSE(program);
    CHECK_THAT(program.error().message(),
               Catch::Contains(std::string(name) + " is 2 x ") &&
                   Catch::Contains("(planes x rows x columns); the model's numbers ask for"));
  }
}

TEST_CASE("of layers that are unlike, every rank has the same part") {
  auto model = tiny();
  model.layers = {{8, 2, 32, 8 * 32}, {17, 17, 32, 9 * 32}, {12, 4, 32, 40 * 32}, {10, 5, 32, 11 * 32}};
  REQUIRE(model.attention_leaves() == 8);
  REQUIRE(model.ffn_leaves() == 8);
  for (const std::vector<std::uint32_t>& cuts :
       {std::vector<std::uint32_t>{0, 8}, {0, 4, 8}, {0, 1, 2, 3, 4, 5, 6, 7, 8}, {0, 5, 8}, {0, 1, 7, 8}}) {
    for (const LayerShape& layer : model.layers) {
      std::uint32_t head = 0, column = 0;
      for (std::size_t rank = 0; rank + 1 < cuts.size(); ++rank) {
        GraphNode shard;
        shard.attention = shard.ffn = {cuts[rank], cuts[rank + 1]};
        const LayerPart part = part_of(layer, model, shard);
        CHECK(part.query_heads.first == head);
        CHECK(part.query_heads.size() > 0);
        CHECK(part.ffn_columns.first == column);
        CHECK(part.ffn_columns.size() > 0);
        CHECK(part.kv_heads.first == head * layer.kv_heads / layer.heads);
        if (&layer == &model.layers[0]) CHECK(part.attention_leaves == shard.attention);
        head = part.query_heads.last;
        column = part.ffn_columns.last;
      }
      CHECK(head == layer.heads);
      CHECK(column == layer.ffn);
    }
  }
}

}  // namespace troupe::testing
