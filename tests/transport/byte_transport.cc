#include "tests/transport/byte_transport.hpp"

#include <algorithm>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "tests/transport/byte_mesh.hpp"
#include "transport/directory.hpp"

namespace troupe::testing {
namespace {

using namespace transport;

/// A mesh of two, in which one sends tensors and the other says which it has taken.
constexpr std::size_t sender_rank = 0, receiver_rank = 1;

class ByteSender final : public Sender {
 public:
  ByteSender(std::shared_ptr<Mesh> mesh, const ChannelSpec& spec, WaitPolicy policy)
      : mesh_(std::move(mesh)), port_(mesh_->port(sender_rank)), spec_(spec), policy_(policy) {}
  ~ByteSender() override { port_.leave(); }
  void abort(Error why) override { port_.abort(std::move(why)); }

  [[nodiscard]] Result<void> send(Tensor tensor, Deadline deadline) override {
    if (const AbortFlag& closed = port_.closed(receiver_rank); closed.raised()) return closed.error();
    if (auto fits = check_fits(tensor, spec_.slot_bytes); !fits) return port_.abort(fits.error());
    if (sent_ >= spec_.slots) {
      const auto room =
          port_.wait_for(receiver_rank, sent_ - spec_.slots + 1, policy_, deadline, "a full channel had room to send");
      if (!room) return port_.abort(room.error());
    }
    ++sent_;
    port_.write(receiver_rank, header_of(tensor), &tensor);
    return {};
  }

 private:
  std::shared_ptr<Mesh> mesh_;
  Port& port_;
  ChannelSpec spec_;
  WaitPolicy policy_;
  std::uint64_t sent_ = 0;
};

class ByteReceiver final : public Receiver {
 public:
  ByteReceiver(std::shared_ptr<Mesh> mesh, WaitPolicy policy)
      : mesh_(std::move(mesh)), port_(mesh_->port(receiver_rank)), policy_(policy) {}
  ~ByteReceiver() override { port_.leave(); }
  void abort(Error why) override { port_.abort(std::move(why)); }

  [[nodiscard]] Result<void> receive(Tensor tensor, Deadline deadline) override {
    if (port_.aborted().raised()) return port_.aborted().error();
    const auto arrived =
        port_.wait_for(sender_rank, received_ + 1, policy_, deadline, "an empty channel had a tensor to receive");
    if (!arrived) return port_.abort(arrived.error());
    ++received_;
    Frame frame = port_.take(sender_rank);
    if (auto same = check_same(frame.tensor(), tensor); !same) return port_.abort(same.error());
    copy(frame.tensor(), tensor);
    FrameHeader taken;
    taken.kind = FrameHeader::taken;
    port_.write(sender_rank, taken);
    return {};
  }

 private:
  std::shared_ptr<Mesh> mesh_;
  Port& port_;
  WaitPolicy policy_;
  std::uint64_t received_ = 0;
};

/// A collective begins with telling every other rank what this one brings, and ends with what all have brought.
class ByteRank final : public Communicator, private Event::Source {
 public:
  ByteRank(std::shared_ptr<Mesh> mesh, std::size_t rank, WaitPolicy policy)
      : mesh_(std::move(mesh)), port_(mesh_->port(rank)), policy_(policy) {}
  ~ByteRank() override { port_.leave(); }

  [[nodiscard]] int rank() const override { return static_cast<int>(port_.rank()); }
  [[nodiscard]] int size() const override { return static_cast<int>(port_.size()); }
  void abort(Error why) override { port_.abort(std::move(why)); }

  [[nodiscard]] Result<Event> all_reduce(Tensor partial, Tensor sum, Deadline) override {
    return begin({Operation::all_reduce, 0, partial, sum});
  }
  [[nodiscard]] Result<Event> reduce_scatter(Tensor partial, Tensor sum, Deadline) override {
    return begin({Operation::reduce_scatter, 0, partial, sum});
  }
  [[nodiscard]] Result<Event> all_gather(Tensor in, Tensor out, Deadline) override {
    return begin({Operation::all_gather, 0, in, out});
  }
  [[nodiscard]] Result<Event> all_to_all(Tensor in, std::span<const std::size_t> gives, Tensor out,
                                         std::span<const std::size_t> takes, Deadline) override {
    return begin({Operation::all_to_all, 0, in, out, gives, takes});
  }
  [[nodiscard]] Result<Event> broadcast(Tensor tensor, int root, Deadline) override {
    return begin({Operation::broadcast, root, tensor, {}});
  }

 private:
  Result<Event> begin(const Offer& mine) {
    if (port_.aborted().raised()) return port_.aborted().error();
    if (auto valid = check(mine, size()); !valid) return port_.abort(valid.error());
    FrameHeader header = header_of(mine.in);
    header.operation = static_cast<std::uint64_t>(mine.operation);
    header.root = static_cast<std::uint64_t>(mine.root);
    header.room = mine.out.data != nullptr ? 1 : 0;
    header.out_element = static_cast<std::uint64_t>(mine.out.element);
    header.out_rows = mine.out.rows;
    header.out_columns = mine.out.columns;
    const bool gives = mine.operation != Operation::broadcast || mine.root == rank();
    std::copy(mine.gives.begin(), mine.gives.end(), header.gives.begin());
    std::copy(mine.takes.begin(), mine.takes.end(), header.takes.begin());
    for (std::size_t other = 0; other < port_.size(); ++other) {
      if (other != port_.rank()) write(other, header, gives ? &mine : nullptr);
    }
    under_way_.push_back({mine, header.gives, header.takes});
    return Event(*this, ++begun_);
  }

  void write(std::size_t other, FrameHeader header, const Offer* offer) {
    if (offer == nullptr) return port_.write(other, header);
    const Tensor part = offer->operation == Operation::all_to_all ? given_to(*offer, other) : offer->in;
    header.rows = part.rows;
    header.length = part.bytes();
    port_.write(other, header, &part);
  }

  [[nodiscard]] Result<void> wait(std::uint64_t number, Deadline deadline) override {
    while (begun_ - under_way_.size() < number) {
      if (port_.aborted().raised()) return port_.aborted().error();
      if (auto finished = finish(under_way_.front().whole(), begun_ - under_way_.size() + 1, deadline); !finished)
        return port_.abort(finished.error());
      under_way_.pop_front();
    }
    return {};
  }

  Result<void> finish(const Offer& mine, std::uint64_t number, Deadline deadline) {
    if (auto arrived = wait_for_all(mine.operation, number, deadline); !arrived) return arrived;
    std::vector<Frame> frames(port_.size());
    std::vector<Offer> offers(port_.size(), mine);
    for (std::size_t other = 0; other < port_.size(); ++other) {
      if (other == port_.rank()) continue;
      frames[other] = port_.take(other);
      offers[other] = offer_of(frames[other], mine.gives.size());
    }
    if (auto agreed = agree(offers); !agreed) return agreed;
    if (mine.operation == Operation::all_reduce) reduce(offers, 0);
    if (mine.operation == Operation::reduce_scatter) reduce(offers, first_row(offers, port_.rank()));
    if (mine.operation == Operation::all_gather) gather(offers, mine.out);
    if (mine.operation == Operation::all_to_all) take(offers);
    if (mine.operation == Operation::broadcast) copy(offers[static_cast<std::size_t>(mine.root)].in, mine.in);
    return {};
  }

  Result<void> wait_for_all(Operation operation, std::uint64_t number, Deadline deadline) {
    for (std::size_t other = 0; other < port_.size(); ++other) {
      if (other == port_.rank()) continue;
      const auto came = port_.wait_for(other, number, policy_, deadline, name_of(operation));
      if (came) continue;
      if (came.error().code() != Code::deadline) return came;
      std::vector<std::size_t> late;
      for (std::size_t rank = 0; rank < port_.size(); ++rank) {
        if (rank != port_.rank() && port_.arrived(rank) < number) late.push_back(rank);
      }
      if (!late.empty()) return too_late(operation, size(), late);
    }
    return {};
  }

  static Offer offer_of(Frame& frame, std::size_t counts) {
    static std::byte somewhere;  // in the other process's memory
    const FrameHeader& header = frame.header;
    Offer offer;
    offer.operation = static_cast<Operation>(header.operation);
    offer.root = static_cast<int>(header.root);
    offer.in = frame.tensor();
    offer.out = {header.room != 0 ? &somewhere : nullptr, static_cast<Element>(header.out_element), header.out_rows,
                 header.out_columns, header.out_columns};
    offer.gives = std::span(header.gives).first(counts);
    offer.takes = std::span(header.takes).first(counts);
    return offer;
  }

  /// Of each other rank the part that is for this one has come.
  void take(const std::vector<Offer>& offers) const {
    const Offer& mine = offers[port_.rank()];
    for (std::size_t rank = 0; rank < offers.size(); ++rank)
      copy(rank == port_.rank() ? given_to(mine, rank) : offers[rank].in, taken_from(mine, rank));
  }

  /// Of the rows from `first` on those that there is room for.
  void reduce(const std::vector<Offer>& offers, std::size_t first) const {
    const Tensor& sum = offers[port_.rank()].out;
    copy(rows_of(offers[port_.rank()].in, first, sum.rows), sum);
    for (std::size_t rank = 0; rank < offers.size(); ++rank) {
      for (std::size_t row = 0; rank != port_.rank() && row < sum.rows; ++row) {
        auto* total = reinterpret_cast<std::uint64_t*>(sum.data) + row * sum.stride;
        const auto* addend = reinterpret_cast<const std::uint64_t*>(offers[rank].in.data) + (first + row) * sum.columns;
        for (std::size_t column = 0; column < sum.columns; ++column) total[column] += addend[column];
      }
    }
  }

  static void gather(const std::vector<Offer>& offers, const Tensor& out) {
    std::size_t column = 0;
    for (const Offer& offer : offers) {
      if (out.data != nullptr) copy(offer.in, columns_of(out, column, offer.in.columns));
      column += offer.in.columns;
    }
  }

  std::shared_ptr<Mesh> mesh_;
  Port& port_;
  WaitPolicy policy_;
  struct UnderWay {
    Offer offer;
    std::array<std::size_t, FrameHeader::most_counts> gives, takes;  ///< the caller's are gone
    [[nodiscard]] Offer whole() const {
      Offer all = offer;
      all.gives = std::span(gives).first(offer.gives.size());
      all.takes = std::span(takes).first(offer.takes.size());
      return all;
    }
  };
  std::deque<UnderWay> under_way_;
  std::uint64_t begun_ = 0;
};

class ByteTransport final : public Transport {
 public:
  [[nodiscard]] Result<std::unique_ptr<Sender>> make_sender(const ChannelSpec& spec, WaitPolicy policy) override {
    auto mesh = join(spec, "sender");
    if (!mesh) return mesh.error();
    return {std::make_unique<ByteSender>(std::move(*mesh), spec, policy)};
  }

  [[nodiscard]] Result<std::unique_ptr<Receiver>> make_receiver(const ChannelSpec& spec, WaitPolicy policy) override {
    auto mesh = join(spec, "receiver");
    if (!mesh) return mesh.error();
    return {std::make_unique<ByteReceiver>(std::move(*mesh), policy)};
  }

  [[nodiscard]] Result<std::unique_ptr<Communicator>> make_rank(const GroupSpec& spec, int rank,
                                                                WaitPolicy policy) override {
    if (const auto checked = check(spec, rank); !checked) return checked.error();
    if (spec.size > static_cast<int>(FrameHeader::most_counts)) {
      return Error(Code::unsupported,
                   describe(spec) + ": frames have room for " + std::to_string(FrameHeader::most_counts) + " ranks");
    }
    std::vector<std::string> names;
    for (int i = 0; i < spec.size; ++i) names.push_back("rank " + std::to_string(i));
    auto mesh = groups_.join(spec, names[static_cast<std::size_t>(rank)],
                             [&] { return std::make_shared<Mesh>("group " + spec.name, names); });
    if (!mesh) return mesh.error();
    return {std::make_unique<ByteRank>(std::move(*mesh), static_cast<std::size_t>(rank), policy)};
  }

 private:
  Result<std::shared_ptr<Mesh>> join(const ChannelSpec& spec, const char* end) {
    if (const auto checked = check(spec); !checked) return checked.error();
    return channels_.join(spec, end, [&] {
      return std::make_shared<Mesh>("channel " + spec.name, std::vector<std::string>{"its sender", "its receiver"});
    });
  }

  Directory<ChannelSpec, Mesh> channels_;
  Directory<GroupSpec, Mesh> groups_;
};

}  // namespace

extern const TransportKind bytes{
    "bytes", []() -> Result<std::unique_ptr<Transport>> { return {std::make_unique<ByteTransport>()}; }};

}  // namespace troupe::testing
