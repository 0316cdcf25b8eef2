#include "runtime/program/fusion.hpp"

#include <catch2/catch.hpp>
#include <deque>
#include <set>

#include "plugins/architectures/gemma3.hpp"
#include "plugins/architectures/llama.hpp"
#include "runtime/device/cpu/rules.hpp"
#include "runtime/program/builder.hpp"
#include "runtime/program/layout.hpp"
#include "tests/runtime/plan_fixture.hpp"

namespace troupe::testing {
namespace {

/// A model file without data: the tensors that an architecture asks for, of the right shapes.
class Shapes {
 public:
  explicit Shapes(const ModelDescription& model) {
    const std::uint64_t hidden = model.hidden, q = model.heads * model.head_dim, kv = model.kv_heads * model.head_dim;
    file_.path = "shapes";
    add("token_embd.weight", model.vocabulary, hidden);
    add("output_norm.weight", 1, hidden);
    for (std::uint32_t layer = 0; layer < model.layers; ++layer) {
      const std::string blk = "blk." + std::to_string(layer) + ".";
      for (const char* norm :
           {"attn_norm.weight", "ffn_norm.weight", "post_attention_norm.weight", "post_ffw_norm.weight"}) {
        add(blk + norm, 1, hidden);
      }
      for (const char* norm : {"attn_q_norm.weight", "attn_k_norm.weight"}) add(blk + norm, 1, model.head_dim);
      add(blk + "attn_q.weight", q, hidden);
      add(blk + "attn_k.weight", kv, hidden);
      add(blk + "attn_v.weight", kv, hidden);
      add(blk + "attn_output.weight", hidden, q);
      add(blk + "ffn_gate.weight", model.ffn, hidden);
      add(blk + "ffn_up.weight", model.ffn, hidden);
      add(blk + "ffn_down.weight", hidden, model.ffn);
    }
  }
  [[nodiscard]] const ModelFile& file() const { return file_; }

 private:
  void add(const std::string& name, std::uint64_t rows, std::uint64_t columns) {
    names_.push_back(name);
    file_.tensors.push_back({names_.back(), kernels::Format::f32, rows, columns, {}});
  }
  std::deque<std::string> names_;
  ModelFile file_;
};

ModelDescription with_head(ModelDescription model) {
  model.head_tensor = "token_embd.weight";
  model.rope_thetas = {10000.0, 10000.0};
  return model;
}

Program program_of(const Architecture& architecture, const ModelDescription& model, const std::string& plan,
                   const char* node) {
  const Shapes shapes(model);
  const Graph graph = graph_of(plan, model);
  const auto ranks = static_cast<std::uint32_t>(graph.groups[0].nodes.size());
  return build_program(architecture, shapes.file(), model, *find_node(graph, node), ranks).value();
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

/// First and last op that touches each value, body and tail counted through; hidden is alive all the time.
struct Life {
  std::size_t first = SIZE_MAX, last = 0;
  bool tail = false;
};

std::vector<Life> lives(const Program& program) {
  std::vector<Life> result(program.values.size());
  std::size_t at = 0;
  const auto touch = [&](ValueId id, bool tail) {
    Life& life = result[id];
    life.tail = life.first == SIZE_MAX ? tail : life.tail;
    life.first = std::min(life.first, at);
    life.last = std::max(life.last, at);
  };
  for (const auto* ops : {&program.body, &program.tail}) {
    for (const Op& op : *ops) {
      for_each_value(op, [&](ValueId id, Access) { touch(id, ops == &program.tail); });
      ++at;
    }
  }
  result[program.hidden] = {0, at, false};
  return result;
}

void check_layout(const Program& program, std::size_t rows) {
  const Layout layout = lay_out(program, rows);
  const std::vector<Life> alive = lives(program);
  const auto end = [&](ValueId id) {
    return layout.offsets[id] + row_bytes(program.values[id]) * (alive[id].tail ? logit_tile : rows);
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

/// Every value is written before it is read, by what comes before it.
void check_order(const Program& program, bool from_before) {
  std::set<ValueId> written;
  if (from_before) written.insert(program.hidden);
  for (const auto* ops : {&program.body, &program.tail}) {
    for (const Op& op : *ops) {
      for_each_value(op, [&](ValueId id, Access access) {
        INFO(name_of(op) << " of layer " << op.layer << " reads " << program.values[id].name);
        REQUIRE((access == Access::write || written.contains(id)));
        if (access != Access::read) written.insert(id);
      });
    }
  }
}

const std::set<std::string> replaced{
    "rms_norm",          "quantize",         "from_fixed", "all_reduce", "rope",     "kv_append", "attention_scores",
    "attention_softmax", "attention_values", "attention",  "silu_mul",   "gelu_mul", "add"};

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
  CHECK(kinds(program.body) == repeated({"embed"}, plain, 30));
  CHECK(kinds(program.tail) == Kinds{"gather_rows", "rms_norm", "quantize", "matmul"});
  fuse(program, cpu_rules());
  CHECK(kinds(program.body) == repeated({"embed", "norm_quantize"},
                                        {"matmul", "rope_append", "attention_quantize", "matmul_leaves", "residual",
                                         "silu_gate", "matmul_leaves", "residual"},
                                        30));
  CHECK(kinds(program.tail) == Kinds{"gather_rows", "norm_quantize", "matmul"});
}

TEST_CASE("with ranks beside it, a llama's sums end in one op each") {
  Program program = program_of(plugins::llama, with_head(smollm2()), "pp2.tp2", "r0.s1.t0");
  const std::uint32_t layers = static_cast<std::uint32_t>(program.kv.size());
  REQUIRE(program.body.size() == 26 * layers);
  fuse(program, cpu_rules());
  CHECK(kinds(program.body) == repeated({"norm_quantize"},
                                        {"matmul", "rope_append", "attention_quantize", "matmul_partial", "residual",
                                         "silu_gate", "matmul_partial", "residual"},
                                        layers));
  CHECK(kinds(program.tail) == Kinds{"gather_rows", "norm_quantize", "matmul", "all_gather"});
}

TEST_CASE("a gemma3's layers become ten ops each") {
  Program program = program_of(plugins::gemma3, with_head(gemma3()), "tp1", "r0.s0.t0");
  REQUIRE(program.body.size() == 1 + 28 * 18);
  fuse(program, cpu_rules());
  CHECK(kinds(program.body) == repeated({"embed", "norm_quantize"},
                                        {"matmul", "head_norm", "head_norm", "rope_append", "attention_quantize",
                                         "matmul_leaves", "residual", "gelu_gate", "matmul_leaves", "residual"},
                                        18));
  std::size_t norms_first = 0;
  for (const Op& op : program.body) {
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
      fuse(program, cpu_rules());
      for (const auto* ops : {&program.body, &program.tail}) {
        for (std::size_t i = 0; i < ops->size(); ++i) {
          const std::string name(name_of((*ops)[i]));
          INFO(name << " of layer " << (*ops)[i].layer);
          CHECK_FALSE(replaced.contains(name));
          CHECK_FALSE((name == "matmul" && i > 0 && name_of((*ops)[i - 1]) == name));
          CHECK_FALSE((name == "norm_quantize" && i > 0 && name_of((*ops)[i - 1]) == "residual"));
        }
      }
      check_order(program, from_before);
      for (const std::size_t rows : {1, 16, 77, 512}) check_layout(program, rows);
    }
  }
}

/// A program of these ops and `tail`, fused.
Program fused(std::vector<ops::Any> body, std::vector<ops::Any> tail = {}) {
  Program program;
  program.hidden = 0;
  program.logits = 9;
  for (int id = 0; id < 10; ++id) program.values.push_back({"v" + std::to_string(id), ValueType::f32, 32});
  for (ops::Any& what : body) program.body.push_back({0, std::move(what)});
  for (ops::Any& what : tail) program.tail.push_back({0, std::move(what)});
  fuse(program, cpu_rules());
  return program;
}

TEST_CASE("a value that is read elsewhere is not fused away") {
  const ops::RmsNorm norm{0, 0, 1, 0};
  const ops::Quantize quantize{1, 2};
  const ops::HeadNorm reads_1{1, 0, 5, 0, 1, 32}, reads_2{2, 0, 5, 0, 1, 32}, reads_3{3, 0, 5, 0, 1, 32};
  CHECK(kinds(fused({norm, quantize}).body) == Kinds{"norm_quantize"});
  CHECK(kinds(fused({norm, quantize, reads_1}).body) == Kinds{"rms_norm", "quantize", "head_norm"});
  CHECK(kinds(fused({norm, quantize}, {reads_1}).body) == Kinds{"rms_norm", "quantize"});
  CHECK(kinds(fused({norm, ops::Quantize{5, 2}}).body) == Kinds{"rms_norm", "quantize"});

  const ops::Matmul gate{0, {{0, 1}}}, up{0, {{1, 2}}}, other{4, {{1, 2}}};
  const ops::SiluMul silu{1, 2, 3};
  CHECK(kinds(fused({gate, other}).body) == Kinds{"matmul", "matmul"});
  CHECK(kinds(fused({gate, up, silu, ops::Quantize{3, 4}}).body) == Kinds{"silu_gate"});
  CHECK(kinds(fused({gate, up, ops::SiluMul{2, 1, 3}, ops::Quantize{3, 4}}).body) ==
        Kinds{"matmul", "silu_mul", "quantize"});
  for (const ops::HeadNorm& reads : {reads_2, reads_3}) {
    CHECK(kinds(fused({gate, up, silu, ops::Quantize{3, 4}, reads}).body) ==
          Kinds{"matmul", "silu_mul", "quantize", "head_norm"});
  }

  const ops::AttentionScores scores{0, 1, {}};
  const ops::AttentionSoftmax softmax{0, 1, 2, 3, {}};
  const ops::AttentionValues values{0, 1, 2, 3, 4, {}};
  CHECK(kinds(fused({scores, softmax, values}).body) == Kinds{"attention"});
  for (const ops::HeadNorm& reads : {reads_1, reads_2, reads_3}) {
    CHECK(kinds(fused({scores, softmax, values, reads}).body) ==
          Kinds{"attention_scores", "attention_softmax", "attention_values", "head_norm"});
  }
  CHECK(kinds(fused({ops::MatmulPartial{0, 0, 1}, ops::FromFixed{1, 2}, ops::Add{2, 0}}).body) ==
        Kinds{"matmul_leaves", "residual"});
  CHECK(kinds(fused({ops::MatmulPartial{0, 0, 1}, ops::FromFixed{1, 2}, reads_1}).body) ==
        Kinds{"matmul_partial", "from_fixed", "head_norm"});
  CHECK(kinds(fused({ops::AllReduce{1}, ops::FromFixed{1, 2}, ops::Add{2, 0}}).body) == Kinds{"residual"});
  CHECK(kinds(fused({ops::AllReduce{1}, ops::FromFixed{1, 2}, ops::Add{2, 0}, reads_2}).body) ==
        Kinds{"all_reduce", "from_fixed", "residual", "head_norm"});
}

TEST_CASE("keys that are rotated and appended in one op may be read later") {
  const ops::Rope q{1, 1, 32, 0}, k{2, 1, 32, 0};
  const Program program = fused({ops::RmsNorm{0, 0, 1, 0}, ops::RmsNorm{0, 0, 2, 0}, ops::RmsNorm{0, 0, 3, 0}, q, k,
                                 ops::KvAppend{2, 3, 0}, ops::RmsNorm{1, 0, 4, 0}, ops::RmsNorm{2, 0, 5, 0}});
  CHECK(kinds(program.body) == Kinds{"rms_norm", "rms_norm", "rms_norm", "rope_append", "rms_norm", "rms_norm"});
  check_layout(program, 4);
  const Program other = fused({q, ops::Rope{4, 1, 32, 0}, ops::KvAppend{2, 3, 0}});
  CHECK(kinds(other.body) == Kinds{"rope", "rope", "kv_append"});
}

}  // namespace troupe::testing
