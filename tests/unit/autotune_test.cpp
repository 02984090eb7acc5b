/// Rows chosen by measuring: which is kept, when it counts, and the file that says so.

#include <doctest/doctest.h>

#include <cstring>

#include "engine/autograd.h"
#include "engine/autotune.h"
#include "engine/graph.h"
#include "kernels/linear/linear.h"
#include "kernels/softmax/softmax.h"
#include "tests/op_cases.h"
#include "tests/rows_under_test.h"
#include "tests/temporary_folder.h"

using namespace duet;
using namespace duet::test;

namespace {

const LinearParams linear_call{2, 3, 4};
const KeptCall kept_linear{"linear", describe(linear_call), "f32", "cpu"};

std::string selected() {
  return linear_rows().select(linear_call, DType::f32, DeviceType::cpu).name;
}

/// A convolution that more than one row takes on each device.
OpCase convolution() {
  for (const OpCase& c : op_cases())
    if (c.name == "3x3 pad 1, 16 channels") return c;
  fail("[tests] no such case");
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return std::memcmp(a.view().data, b.view().data, a.numel() * size_of(a.dtype())) == 0;
}

/// Its forward changes a tensor that it is given.
struct Counted {
  static constexpr const char* name = "counted";
  static inline int backward_calls = 0, again = 0;

  static Tensor forward(Context& context, const Tensor& x, const std::vector<Tensor>& counts) {
    const RepeatScope* repeat = RepeatScope::current();
    for (; again > 0;) {
      --again;
      repeat->again();
    }
    counts[0].data<float>()[0] += 1;
    context.save({x});
    return x.clone();
  }
  static Gradients backward(Context& context, const Tensor& grad_y) {
    ++backward_calls;
    CHECK(context.saved(0).shape() == grad_y.shape());
    return {grad_y, {}};
  }
};

}  // namespace

TEST_CASE("autotune: the least of several runs counts, and the first of equals wins") {
  // What each row takes, run by run; the last for all that follow.
  const auto choice = [](std::vector<std::vector<double>> times, std::vector<int>* runs = nullptr) {
    std::vector<int> made(times.size());
    const std::size_t best = fastest(times.size(), [&](std::size_t i) {
      const auto run = static_cast<std::size_t>(made[i]++);
      return times[i][std::min(run, times[i].size() - 1)];
    });
    if (runs) *runs = made;
    return best;
  };
  std::vector<int> runs;
  CHECK(choice({{3}, {2}, {4}}) == 1);
  CHECK(choice({{2}, {2}}) == 0);
  // The first run, which sets a library up, does not count; nor does a disturbed one.
  CHECK(choice({{3}, {100, 2}}) == 1);
  CHECK(choice({{1, 3}, {2}}) == 1);
  CHECK(choice({{3}, {5, 5, 2, 5}}, &runs) == 1);
  CHECK(runs == std::vector<int>{4, 4});
  // One that takes more than twice as long is given up.
  CHECK(choice({{1}, {1, 3}, {1, 2}}, &runs) == 0);
  CHECK(runs == std::vector<int>{4, 2, 4});
  // Short calls are repeated.
  choice({{0.003}, {1e-6}}, &runs);
  CHECK(runs == std::vector<int>{5, 51});
}

TEST_CASE("autotune: a kept row comes before the order, and after what is forced") {
  const std::string first = selected();
  REQUIRE(first != "ref");
  {
    KeptRows kept;
    CHECK(selected() == first);
    kept.keep(kept_linear, "ref");
    CHECK(selected() == "ref");
    // For that call alone.
    CHECK(linear_rows().select({2, 3, 5}, DType::f32, DeviceType::cpu).name == first);
    {
      const ImplScope forced("linear=cpu");
      CHECK(selected() == "cpu");
    }
    {
      // A preference is one for calls with kept rows, too.
      const ImplScope preferred("handwritten");
      CHECK(selected() == "cpu");
    }
    {
      const ImplScope preferred("ref");
      CHECK(selected() == "ref");
    }
    {
      const TrialScope trial("linear", "cpu");
      CHECK(selected() == "cpu");
    }
    CHECK(selected() == "ref");
    kept.keep(kept_linear, "cpu");
    CHECK(selected() == "cpu");
    kept.keep(kept_linear, "simt.tiled");
    const std::string message = message_of<DataError>([] { selected(); });
    CHECK(message.find("row 'simt.tiled' is kept for " + to_string(kept_linear)) !=
          std::string::npos);
    CHECK(message.find("ref: fits") != std::string::npos);
  }
  CHECK(selected() == first);
}

TEST_CASE("autotune: what may be measured are the rows that fit, and ref where nothing else does") {
  const auto contenders = [] {
    return linear_rows().contenders(linear_call, DType::f32, DeviceType::cpu);
  };
  using Names = std::vector<std::string>;
  Names expected;
  for (const LinearRow& row : linear_rows().rows())
    if (row.device == DeviceType::cpu && row.kind != RowKind::ref) expected.push_back(row.name);
  CHECK(contenders() == expected);
  CHECK(softmax_rows().contenders({2, 3}, DType::f32, DeviceType::cpu) == Names{"ref"});
  {
    const ImplScope preferred("handwritten");
    CHECK(contenders() == Names{"cpu"});
  }
  {
    const ImplScope preferred("ref");
    CHECK(contenders() == Names{"ref"});
  }
  {
    const ImplScope forced("linear=cpu");
    CHECK(contenders().empty());
  }
  const TrialScope trial("conv2d", "cpu");
  CHECK(contenders().empty());
}

TEST_CASE("autotune: a call is repeated on copies, forward and, where recorded, backward") {
  const Tensor x = Tensor::full({3}, 2), count = Tensor::zeros({1});
  Counted::again = 2;
  apply<Counted>(x, std::vector<Tensor>{count});
  CHECK(count.item() == 1);
  CHECK(Counted::backward_calls == 0);

  Tensor parameter = Tensor::full({3}, 2);
  parameter.set_requires_grad();
  Counted::again = 2;
  const Tensor y = apply<Counted>(parameter, std::vector<Tensor>{count});
  CHECK(count.item() == 2);
  CHECK(Counted::backward_calls == 2);
  CHECK(!parameter.grad());
  CHECK(RepeatScope::current() == nullptr);
}

TEST_CASE("autotune: a call is measured once, and its choice is kept in a file") {
  const OpCase c = convolution();
  const TemporaryFolder folder;
  for (const Device device : devices()) {
    CAPTURE(to_string(device.type));
    const std::filesystem::path file = folder / to_string(device.type);
    std::string text, row;
    OpResult result;
    {
      Autotune tuning(file);
      {
        const ImplScope forced("ref");
        if (device == Device{}) run_case(c, DType::f32);
      }
      CHECK(tuning.measured() == 0);
      CHECK(!std::filesystem::exists(file));
      result = run_case(c, DType::f32, device);
      CHECK(tuning.measured() == 1);
      run_case(c, DType::f32, device);
      CHECK(tuning.measured() == 1);
      text = read_text(file);
      CHECK(text == tuning.text());
      REQUIRE(KeptRows::active());
      const auto all = KeptRows::active()->all();
      REQUIRE(all.size() == 1);
      const auto& [call, name] = *all.begin();
      row = name;
      CHECK(call.op == "conv2d");
      CHECK(call.dtype == "f32");
      CHECK(call.device == to_string(device.type));
      const RowTable& table = RowTable::find("conv2d");
      bool listed = false;
      for (std::size_t i = 0; i < table.size(); ++i)
        listed = listed || (table.info(i).name == row && table.info(i).device == device.type &&
                            table.info(i).kind != RowKind::ref);
      CHECK_MESSAGE(listed, row);
    }
    CHECK(!Autotune::active());
    CHECK(!KeptRows::active());
    {
      const ImplScope forced("conv2d=" + row);
      const OpResult expected = run_case(c, DType::f32, device);
      CHECK(same_bits(result.y, expected.y));
      for (std::size_t i = 0; i < expected.grads.size(); ++i)
        CHECK(same_bits(result.grads[i], expected.grads[i]));
    }
    const Autotune again(file);
    run_case(c, DType::f32, device);
    CHECK(again.measured() == 0);
    CHECK(read_text(file) == text);
  }
}

TEST_CASE("autotune: a call that occurred before can be captured for a graph") {
  const OpCase c = convolution();
  const TemporaryFolder folder;
  for (const Device device : accelerators()) {
    const Autotune tuning(folder / to_string(device.type));
    const std::vector<Tensor> inputs = draw_inputs(c, DType::f32, device);
    const Tensor expected = c.run(inputs).to(Device{});
    CHECK(tuning.measured() == 1);
    Tensor y;
    Graph graph(device, [&] { y = c.run(inputs); });
    graph.launch();
    CHECK(tuning.measured() == 1);
    CHECK(same_bits(y.to(Device{}), expected));
  }
}

TEST_CASE("autotune: a file's line that cannot be right is named") {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder / "autotune.jsonl";
  const auto line = [](const char* op, const char* device, const char* row) {
    return fmt::format(
        "{{\"op\":\"{}\",\"params\":\"(1)\",\"dtype\":\"f32\",\"device\":\"{}\",\"row\":\"{}\"}}\n",
        op, device, row);
  };
  const std::string good = line("linear", "cpu", "ref");
  const auto message = [&](const std::string& bad) {
    write_text(file, good + bad);
    return message_of<DataError>([&] { const Autotune tuning(file); });
  };
  const auto names = [&](const std::string& bad, const std::string& reason) {
    const std::string text = message(bad);
    CHECK_MESSAGE(text.find(file.string() + ", line 2: ") == 0, text);
    CHECK_MESSAGE(text.find(reason) != std::string::npos, text);
  };
  CHECK(message("") == "");
  names(line("linaer", "cpu", "ref"), "no op is called 'linaer'");
  names(line("linear", "cpu", "onednnn"),
        "linear has no row 'onednnn' on cpu; its rows there are ");
  names(line("linear", "simt", "ref"), "linear has no row 'ref' on simt");
  names(line("linear", "npu", "ref"), "linear has no row 'ref' on npu");
  names("{\"op\":\"linear\"}\n", "params");
  names("linear ref\n", "syntax error");
  names("\n", "syntax error");
  CHECK(!Autotune::active());
  // A run that had a CUDA device may go on without.
  if (!has_cuda_device()) CHECK(message(line("linear", "cuda", "cublas")) == "");

  // What is taken from elsewhere is stronger, and written.
  write_text(file, good);
  Autotune tuning(file);
  tuning.take(line("linear", "cpu", "cpu") + line("relu", "cpu", "ref"), "a checkpoint");
  CHECK(read_text(file) == line("linear", "cpu", "cpu") + line("relu", "cpu", "ref"));
  CHECK_THROWS_WITH_AS(tuning.take(line("linear", "cpu", "none"), "a checkpoint"),
                       doctest::Contains("a checkpoint, line 1: "), DataError);
}
