#include "plugins/formats/gguf.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <random>

#include "tests/runtime/gguf_fixture.hpp"

namespace troupe {
namespace {

using testing::GgufWriter;
using testing::MemoryFile;

constexpr std::uint32_t type_f32 = 0, type_q4_0 = 2;

Result<ModelFile> open(std::string_view bytes) {
  const MemoryFile file(bytes);
  return testing::open_gguf(file.path());
}

/// One of everything: 72 bytes of data at the end.
GgufWriter small_model(std::uint32_t version = 3) {
  GgufWriter writer(version);
  writer.string("general.architecture", "llama")
      .number("llama.block_count", ElementType::u32, std::uint32_t{30})
      .number("a.u8", ElementType::u8, std::uint8_t{200})
      .number("a.i8", ElementType::i8, std::int8_t{-3})
      .number("a.u16", ElementType::u16, std::uint16_t{60000})
      .number("a.i16", ElementType::i16, std::int16_t{-300})
      .number("a.i32", ElementType::i32, std::int32_t{7})
      .number("a.u64", ElementType::u64, std::uint64_t{1} << 40)
      .number("a.i64", ElementType::i64, std::int64_t{-5})
      .number("a.f32", ElementType::f32, 1e-5F)
      .number("a.f64", ElementType::f64, 2.5)
      .boolean("a.flag", true)
      .strings("a.strings", {"one", "", "three"})
      .numbers("a.integers", ElementType::i16, std::vector<std::int16_t>{1, -2, 3})
      .numbers("a.floats", ElementType::f64, std::vector<double>{0.5, -1})
      .tensor("weight", {32, 2, 1}, type_q4_0, 0)
      .tensor("bias", {2}, type_f32, 64);
  return writer;
}
constexpr std::size_t small_data = 72;

/// What every error of the reader looks like.
void check_message(const Error& error) {
  INFO(error.message());
  CHECK(error.message().find('\n') == std::string::npos);
  CHECK(error.message().find("/proc/self/fd/") != std::string::npos);
  CHECK(error.message().find(" at byte ") != std::string::npos);
  CHECK(error.message().find(": found ") != std::string::npos);
  CHECK(error.message().find(", expected ") != std::string::npos);
}

/// Opens a file that may be broken; what is handed out, if anything, must be readable.
bool opens_or_says_why(std::string_view bytes) {
  const auto model = open(bytes);
  if (model) {
    testing::read_everything(*model);
    return true;
  }
  check_message(model.error());
  return false;
}

void check_error(std::string_view bytes, Code code, const std::string& part) {
  const auto model = open(bytes);
  REQUIRE_FALSE(model.ok());
  check_message(model.error());
  INFO(model.error().message());
  CHECK(model.error().code() == code);
  CHECK(model.error().message().find(part) != std::string::npos);
}

std::string patched(std::string bytes, std::size_t at, std::size_t width, std::uint64_t value) {
  std::memcpy(bytes.data() + at, &value, width);
  return bytes;
}

TEST_CASE("gguf: a file's keys and tensors are read as they stand", "[gguf]") {
  const auto version = GENERATE(2U, 3U);
  const auto model = open(small_model(version).file(small_data)).value();
  CHECK(model.description == "GGUF v" + std::to_string(version));
  CHECK(model.metadata.size() == 15);
  CHECK(model.string("general.architecture").value() == "llama");
  CHECK(model.integer("llama.block_count").value() == 30);
  CHECK(model.integer("a.u8").value() == 200);
  CHECK(model.integer("a.u16").value() == 60000);
  CHECK(model.integer("a.i32").value() == 7);
  CHECK(model.integer("a.u64").value() == std::uint64_t{1} << 40);
  CHECK(model.number("a.i8").value() == -3);
  CHECK(model.number("a.i16").value() == -300);
  CHECK(model.number("a.i64").value() == -5);
  CHECK(model.number("a.f32").value() == 1e-5F);
  CHECK(model.number("a.f64").value() == 2.5);
  CHECK(model.boolean_or("a.flag", false).value());
  CHECK(std::get<MetaArray>(*model.find("a.strings")).strings() == std::vector<std::string_view>{"one", "", "three"});
  CHECK(std::get<MetaArray>(*model.find("a.integers")).integers() == std::vector<std::int64_t>{1, -2, 3});
  CHECK(std::get<MetaArray>(*model.find("a.floats")).floats() == std::vector<float>{0.5F, -1});

  REQUIRE(model.tensors.size() == 2);
  const FileTensor* weight = model.tensor("weight");
  REQUIRE(weight != nullptr);
  CHECK(weight->format == kernels::Format::q4_0);
  CHECK((weight->rows == 2 && weight->columns == 32 && weight->data.size() == 36));
  const FileTensor* bias = model.tensor("bias");
  REQUIRE(bias != nullptr);
  CHECK((bias->rows == 1 && bias->columns == 2 && bias->data.size() == 8));
  CHECK(bias->data.data() == weight->data.data() + 64);
  CHECK(model.tensor("none") == nullptr);
}

TEST_CASE("gguf: a key that is missing or of another type is named", "[gguf]") {
  const auto model = open(small_model().file(small_data)).value();
  const auto message = [](const auto& result) { return result.error().message(); };
  CHECK(message(model.integer("nothing")).find("\"nothing\" is missing; expected an integer") != std::string::npos);
  CHECK(message(model.integer("a.i64")).find("\"a.i64\" is a negative integer") != std::string::npos);
  CHECK(message(model.integer("a.f32")).find("\"a.f32\" is a floating-point number") != std::string::npos);
  CHECK(message(model.string("a.flag")).find("\"a.flag\" is a boolean; expected a string") != std::string::npos);
  CHECK(message(model.number("a.strings")).find("\"a.strings\" is an array; expected a number") != std::string::npos);
  CHECK(model.integer_or("nothing", 4).value() == 4);
  CHECK(model.number_or("nothing", 0.5).value() == 0.5);
  CHECK(model.boolean_or("nothing", true).value());
  CHECK_FALSE(model.integer_or("a.flag", 4).ok());
  CHECK_FALSE(model.number_or("a.flag", 4).ok());
  CHECK_FALSE(model.boolean_or("a.u8", true).ok());
}

TEST_CASE("gguf: what is no model file is said to be none", "[gguf]") {
  const auto error = [](const std::string& path) { return testing::open_gguf(path).error(); };
  const std::string directory = std::filesystem::temp_directory_path();
  CHECK(error("/no/such/file.gguf").code() == Code::not_found);
  CHECK(error(directory).message().find("is a folder") != std::string::npos);
  CHECK(error("/dev/null").message().find("is a device") != std::string::npos);
  const MemoryFile empty("");
  CHECK(error(empty.path()).message().find("is empty") != std::string::npos);
  CHECK(error("a\nb").message().find('\n') == std::string::npos);
  check_error("GGML and what follows it", Code::bad_file, "found \"GGML\", expected \"GGUF\"");
  check_error("GG", Code::bad_file, "the format's mark at byte 0: found the file's end after 2 bytes");
}

TEST_CASE("gguf: versions and byte orders that cannot be read are named", "[gguf]") {
  const std::string bytes = small_model().file(small_data);
  check_error(patched(bytes, 4, 4, 1), Code::unsupported, "version at byte 4: found 1, expected 2 or 3");
  check_error(patched(bytes, 4, 4, 4), Code::unsupported, "version at byte 4: found 4");
  check_error(patched(bytes, 4, 4, 0x03000000), Code::unsupported, "found version 3 with big-endian numbers");
}

TEST_CASE("gguf: keys and values that break the format are refused", "[gguf]") {
  const auto with = [](auto add) {
    GgufWriter writer;
    add(writer);
    return writer.file();
  };
  check_error(with([](auto& w) { w.number("a", ElementType::boolean, std::uint8_t{2}); }), Code::bad_file,
              "key \"a\", value at byte 37: found 2, expected 0 or 1");
  check_error(with([](auto& w) { w.boolean("a", true).boolean("b", true).boolean("a", true); }), Code::bad_file,
              "key \"a\", name at byte 60: found it for the second time");
  check_error(with([](auto& w) { w.boolean("", true).boolean("another", true); }), Code::bad_file,
              "name at byte 24: found 0 bytes");
  check_error(with([](auto& w) { w.boolean(std::string(65536, 'k'), true); }), Code::bad_file, "found 65536 bytes");
  check_error(with([](auto& w) { w.number("a\nb", static_cast<ElementType>(13), 0); }), Code::unsupported,
              "key \"a\\x0ab\", type at byte 35: found 13, expected 0 to 12");
  check_error(with([](auto& w) { w.numbers("a", ElementType::array, std::vector<int>{1}); }), Code::unsupported,
              "element type at byte 37: found 9 (an array of arrays)");
  for (const std::uint32_t alignment : {0U, 3U, 33U}) {
    const auto bytes = with([&](auto& w) { w.number("general.alignment", ElementType::u32, alignment); });
    check_error(
        bytes, Code::bad_file,
        "\"general.alignment\", value at byte 53: found " + std::to_string(alignment) + ", expected a power of two");
  }
  check_error(with([](auto& w) { w.string("general.alignment", "32"); }), Code::bad_file, "expected a power of two");
}

TEST_CASE("gguf: tensors that break the format are refused", "[gguf]") {
  const auto with = [](const std::vector<std::uint64_t>& dimensions, std::uint32_t type, std::uint64_t offset) {
    GgufWriter writer;
    writer.tensor("w", dimensions, type, offset);
    return writer.file(128);
  };
  CHECK(open(with({4, 1, 1, 1}, type_f32, 96)).ok());
  check_error(with({}, type_f32, 0), Code::bad_file, "number of dimensions at byte 33: found 0, expected 1 to 4");
  check_error(with({1, 1, 1, 1, 1}, type_f32, 0), Code::bad_file, "found 5, expected 1 to 4");
  check_error(with({0}, type_f32, 0), Code::bad_file, "dimension at byte 37: found 0, expected at least 1");
  check_error(with({1, 1, 1, 2}, type_f32, 0), Code::unsupported, "dimension 4 at byte 61: found 2, expected 1");
  check_error(with({4}, 99, 0), Code::unsupported,
              "tensor \"w\", type at byte 45: found 99, expected F32 (0), F16 (1), ");
  check_error(with({33}, type_q4_0, 0), Code::bad_file, "found 33, expected a multiple of 32, the block of Q4_0");
  check_error(with({4}, type_f32, 16), Code::bad_file, "offset at byte 49: found 16, expected a multiple of 32");
  check_error(with({9}, type_f32, 96), Code::bad_file, "found 96 and 36 bytes, expected both within the 128 bytes");
  check_error(with({4}, type_f32, 1U << 20), Code::bad_file, "expected both within the 128 bytes");
  check_error(with({std::uint64_t{1} << 63}, type_f32, 0), Code::bad_file, "more than 2^64 bytes");
  check_error(with({std::uint64_t{1} << 32, std::uint64_t{1} << 32}, type_f32, 0), Code::bad_file,
              "more than 2^64 bytes");
  check_error(with({std::uint64_t{1} << 31, std::uint64_t{1} << 31, 4}, type_f32, 0), Code::bad_file,
              "more than 2^64 bytes");
  check_error(with({4, 2, 5}, type_f32, 0), Code::bad_file, "160 bytes, expected both within the 128 bytes");
}

TEST_CASE("gguf: a tensor of three dimensions is planes of a matrix", "[gguf]") {
  GgufWriter writer;
  writer.tensor("w", {4, 2, 3}, type_f32, 0).tensor("v", {4, 2}, type_f32, 96);
  const ModelFile file = open(writer.file(128)).value();
  CHECK(file.tensors[0].columns == 4);
  CHECK(file.tensors[0].rows == 2);
  CHECK(file.tensors[0].planes == 3);
  CHECK(file.tensors[0].data.size() == 96);
  CHECK(file.tensors[1].planes == 1);
}

TEST_CASE("fault 19: a weight type that is not known is named, as ggml names it", "[gguf][bad-input]") {
  const std::pair<std::uint32_t, const char*> unknown[] = {
      {4, "Q4_2"},     {5, "Q4_3"},        {9, "Q8_1"},        {10, "Q2_K"},       {13, "Q5_K"},     {15, "Q8_K"},
      {16, "IQ2_XXS"}, {17, "IQ2_XS"},     {18, "IQ3_XXS"},    {19, "IQ1_S"},      {20, "IQ4_NL"},   {21, "IQ3_S"},
      {22, "IQ2_S"},   {23, "IQ4_XS"},     {24, "I8"},         {25, "I16"},        {26, "I32"},      {27, "I64"},
      {28, "F64"},     {29, "IQ1_M"},      {31, "Q4_0_4_4"},   {32, "Q4_0_4_8"},   {33, "Q4_0_8_8"}, {34, "TQ1_0"},
      {35, "TQ2_0"},   {36, "IQ4_NL_4_4"}, {37, "IQ4_NL_4_8"}, {38, "IQ4_NL_8_8"}, {39, "MXFP4"},    {40, "NVFP4"},
      {41, "Q1_0"},    {42, "Q2_0"}};
  for (const auto& [number, name] : unknown) {
    if (kernels::format_of_gguf_type(number)) continue;  // known by now
    GgufWriter writer;
    writer.tensor("w", {256}, number, 0);
    check_error(writer.file(1024), Code::unsupported,
                "found " + std::string(name) + " (" + std::to_string(number) + "), expected F32 (0), ");
  }
  GgufWriter writer;
  writer.tensor("w", {256}, 4'000'000'000, 0);
  check_error(writer.file(1024), Code::unsupported, "found 4000000000, expected F32 (0), ");
}

TEST_CASE("gguf: no two tensors share a name or a byte", "[gguf]") {
  const auto with = [](const char* second, std::uint64_t offset) {
    GgufWriter writer;
    writer.tensor("w", {16}, type_f32, 32).tensor(second, {8}, type_f32, offset);
    return writer.file(128);
  };
  CHECK(open(with("v", 0)).ok());
  CHECK(open(with("v", 96)).ok());
  check_error(with("w", 96), Code::bad_file, "tensor \"w\", name at byte 65: found it for the second time");
  check_error(with("v", 64), Code::bad_file, "found 64, expected at least 96, where tensor \"w\" ends");
  check_error(with("v", 32), Code::bad_file, "expected at least");
}

TEST_CASE("gguf: the file's own alignment counts", "[gguf]") {
  GgufWriter writer;
  writer.number("general.alignment", ElementType::u32, std::uint32_t{8}).tensor("w", {2}, type_f32, 8);
  const std::string bytes = writer.file(16, 8);
  const auto model = open(bytes).value();
  CHECK(model.tensors[0].data.size() == 8);
}

TEST_CASE("gguf: any number in any size field is an error or a valid model", "[gguf]") {
  const GgufWriter writer = small_model();
  const std::string bytes = writer.file(small_data);
  const std::uint64_t one = 1;
  const std::uint64_t values[] = {
      0,         1,         (one << 31) - 1, one << 31, (one << 31) + 1, (one << 32) - 1, one << 32, (one << 32) + 1,
      one << 63, UINT64_MAX};
  for (const GgufWriter::Field& field : writer.fields()) {
    for (const std::uint64_t value : values) {
      INFO(field.name << " at " << field.at << " is " << value);
      opens_or_says_why(patched(bytes, field.at, field.width, value));
    }
  }
}

TEST_CASE("gguf: a file that ends too early is an error, wherever it ends", "[gguf]") {
  const GgufWriter writer = small_model();
  const std::string bytes = writer.file(small_data);
  for (std::size_t length = 1; length < bytes.size(); ++length) {
    INFO(length << " bytes");
    CHECK_FALSE(opens_or_says_why(bytes.substr(0, length)));
  }
}

TEST_CASE("gguf: flipped bits never do harm", "[gguf]") {
  const GgufWriter writer = small_model();
  const std::string bytes = writer.file(small_data);
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 5000; ++round) {
    std::string broken = bytes;
    for (unsigned flips = random() % 8 + 1; flips > 0; --flips) {
      const std::size_t bit = random() % (writer.header_bytes() * 8);
      broken[bit / 8] = static_cast<char>(broken[bit / 8] ^ (1 << (bit % 8)));
    }
    opens_or_says_why(broken);
  }
}

}  // namespace
}  // namespace troupe
