#include "engine/memory.h"

#include <doctest/doctest.h>

#include <cstring>
#include <set>
#include <thread>

#include "engine/adam.h"
#include "engine/autograd.h"
#include "engine/ops/softmax_cross_entropy.h"
#include "layers/two_stream.h"

using namespace duet;

TEST_CASE("memory: a freed block is handed out again") {
  const std::size_t bytes = 777'777;
  const void* first = Storage::allocate(bytes, {})->data();
  const MemoryStatistics before = memory_statistics({});
  const auto again = Storage::allocate(bytes, {});
  CHECK(again->data() == first);
  const MemoryStatistics after = memory_statistics({});
  CHECK(after.system_allocations == before.system_allocations);
  CHECK(after.reserved == before.reserved);
  CHECK(after.in_use >= before.in_use + bytes);
}

TEST_CASE("memory: a large idle block serves a smaller request, a small one its own size alone") {
  // Idle blocks that other tests left, which would serve, too, are in use meanwhile.
  std::vector<std::shared_ptr<Storage>> others;
  const auto serves = [&](std::size_t idle, std::size_t request) {
    for (const std::size_t size : {request, idle})
      for (const std::size_t before = memory_statistics({}).system_allocations;
           memory_statistics({}).system_allocations == before;)
        others.push_back(Storage::allocate(size, {}));
    const void* const block = Storage::allocate(idle, {})->data();
    return Storage::allocate(request, {})->data() == block;
  };
  CHECK(serves(90'000'000, 70'000'000));
  CHECK_FALSE(serves(90'000'000, 50'000'000));
  CHECK(serves(900'001, 900'000));
  CHECK_FALSE(serves(900'000, 700'000));
}

TEST_CASE("memory: a thread's calls find their scratch in one place, once it is large enough") {
  // A thread of its own: others' calls have had this one's scratch.
  std::thread([] {
    const auto call = [](std::size_t first, std::size_t second) {
      PoolWorkspace workspace({});
      std::pair<char*, char*> places;
      places.first = static_cast<char*>(workspace.allocate(first));
      places.second = static_cast<char*>(workspace.allocate(second));
      std::memset(places.first, 1, first);
      std::memset(places.second, 2, second);
      CHECK(places.first[first - 1] == 1);
      CHECK(reinterpret_cast<std::uintptr_t>(places.second) % 64 == 0);
      return places;
    };
    call(300'000, 70'001);
    const MemoryStatistics before = memory_statistics({});
    const auto [first, second] = call(300'000, 70'001);
    CHECK(second == first + 300'032);
    // Another call that is less demanding, and one within another.
    CHECK(call(1, 200'000) == std::pair(first, first + 64));
    {
      PoolWorkspace outer({});
      CHECK(outer.allocate(100'000) == first);
      CHECK(call(50'000, 50'000).first == first + 100'032);
      CHECK(outer.allocate(10) == first + 100'032);
    }
    // What does not fit has a place of its own until the next call.
    const auto [large, larger] = call(300'000, 900'000);
    CHECK(large == first);
    const auto [again, behind] = call(300'000, 900'000);
    CHECK(behind == again + 300'032);
    CHECK(memory_statistics({}).in_use > before.in_use);
  }).join();
}

TEST_CASE("memory: statistics follow what is alive") {
  const MemoryStatistics before = memory_statistics({});
  {
    const auto a = Storage::allocate(100'000, {}), b = Storage::allocate(3'000'000, {});
    const MemoryStatistics during = memory_statistics({});
    CHECK(during.in_use >= before.in_use + 3'100'000);
    // Sizes are rounded up to an eighth of a power of two.
    CHECK(during.in_use <= before.in_use + 3'100'000 / 8 * 9 + 64);
    CHECK(during.peak >= during.in_use);
    CHECK(during.reserved >= during.in_use);
  }
  CHECK(memory_statistics({}).in_use == before.in_use);
  CHECK(memory_statistics({}).peak >= before.in_use + 3'100'000);
}

TEST_CASE("memory: blocks of every size are whole, apart and aligned") {
  std::vector<std::shared_ptr<Storage>> blocks;
  std::set<const void*> addresses;
  std::vector<std::size_t> sizes = {0, 1};
  for (std::size_t power = 32; power <= 4 << 20; power *= 2)
    for (const std::size_t size : {power - 1, power, power + 1}) sizes.push_back(size);
  for (const std::size_t size : sizes) {
    blocks.push_back(Storage::allocate(size, {}));
    std::memset(blocks.back()->data(), static_cast<int>(blocks.size()), size);
    CHECK(addresses.insert(blocks.back()->data()).second);
    CHECK(reinterpret_cast<std::uintptr_t>(blocks.back()->data()) % 64 == 0);
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto* bytes = static_cast<const unsigned char*>(blocks[i]->data());
    bool whole = true;
    for (std::size_t k = 0; k < sizes[i]; ++k) whole = whole && bytes[k] == i + 1;
    CHECK_MESSAGE(whole, fmt::format("the block of {} bytes was written over", sizes[i]));
  }
}

TEST_CASE("memory: threads take and give back at once") {
  std::vector<std::thread> threads;
  std::atomic<int> torn{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&torn, t] {
      for (int i = 0; i < 500; ++i) {
        const auto block = Storage::allocate(1000 + 64 * (i % 7), {});
        std::memset(block->data(), t, 1000);
        for (int k = 0; k < 1000; ++k)
          torn += static_cast<const unsigned char*>(block->data())[k] != t;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(torn == 0);
}

TEST_CASE(
    "memory: what cannot be had is an error that says how much it was, after all that lies idle "
    "was let go") {
  const MemoryStatistics before = memory_statistics({});
  CHECK_THROWS_WITH_AS(Storage::allocate(std::size_t{1} << 60, {}),
                       doctest::Contains("[memory] cpu has no 1099511627777 MiB left"), Error);
  CHECK(memory_statistics({}).in_use == before.in_use);
  CHECK(memory_statistics({}).reserved == before.in_use);
}

TEST_CASE("memory: after the first training step none asks the system") {
  RandomState random;
  Build build{.random = random};
  TwoStreamOptions options;
  options.size = 16;
  options.stream.widths = {4, 4, 8, 8};
  options.stream.dropout = 0.1;
  options.head = {16, 8};
  TwoStream network(build, options);
  std::vector<AdamParameter> parameters;
  for (const Parameter& p : network.parameters()) parameters.push_back({p.name, p.tensor});
  Adam adam(parameters, {});
  const Tensor face = Tensor::full({6, 16, 16, 3}, 0.5), voice = Tensor::full({6, 16, 16, 1}, 0.5);
  const Tensor labels = Tensor::from(std::vector<std::int32_t>{0, 1, 2, 0, 1, 2}, {6});
  const FactorsScope factors;
  const auto step = [&] {
    softmax_cross_entropy(network.forward(face, voice), labels).backward();
    adam.step();
  };
  step();
  const MemoryStatistics before = memory_statistics({});
  step();
  step();
  const MemoryStatistics after = memory_statistics({});
  CHECK(after.system_allocations == before.system_allocations);
  CHECK(after.in_use == before.in_use);
}
