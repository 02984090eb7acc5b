/// Every row of convolution and linear layers at the network's shapes, in all three directions:
///
///   bench_rows --benchmark_filter='conv2d/.*/b2c2' --benchmark_repetitions=5
///   --benchmark_report_aggregates_only
///
/// GFLOP/s count the multiplications and additions of the definition, whatever the algorithm saves.

#include <benchmark/benchmark.h>

#include "engine/tensor.h"
#include "kernels/base/philox.h"
#include "kernels/conv2d/conv2d.h"
#include "kernels/linear/linear.h"

namespace {

using namespace duet;

Tensor random_tensor(const Shape& shape, std::uint64_t stream) {
  Tensor tensor = Tensor::empty(shape);
  const Philox numbers{1, stream};
  for (std::int64_t i = 0; i < tensor.numel(); ++i)
    tensor.data<float>()[i] = numbers.uniform(i) - 0.5f;
  return tensor;
}

template <class Row, class Params>
void run_row(benchmark::State& state, const Row& row, const Params& params, const Shape& x_shape,
             const Shape& weight_shape, const Shape& y_shape, int direction, double flops) {
  const Tensor x = random_tensor(x_shape, 1), weight = random_tensor(weight_shape, 2),
               y = random_tensor(y_shape, 3);
  for (auto _ : state) {
    OpExec exec(row, x.device());
    if (direction == 0) row.forward(exec, params, x, weight, {}, y);
    if (direction == 1) row.backward_data(exec, params, y, weight, x);
    if (direction == 2) row.backward_weights(exec, params, x, y, weight);
  }
  state.counters["GFLOP/s"] =
      benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

constexpr const char* directions[] = {"forward", "backward_data", "backward_weights"};

template <class Row, class Params>
void register_rows(const RowList<Row>& rows, const std::string& layer, const Params& params,
                   const Shape& x_shape, const Shape& weight_shape, const Shape& y_shape,
                   double flops) {
  for (const Row& row : rows.rows()) {
    if (row.kind == RowKind::ref || !row.supports(params, DType::f32)) continue;
    for (int d = 0; d < 3; ++d)
      benchmark::RegisterBenchmark(
          fmt::format("{}/{}/{}/{}", rows.op(), row.name, layer, directions[d]).c_str(),
          [=, &row](benchmark::State& state) {
            run_row(state, row, params, x_shape, weight_shape, y_shape, d, flops);
          })
          ->Unit(benchmark::kMillisecond)
          ->UseRealTime();
  }
}

void register_all() {
  struct Stream {
    const char* preset;
    std::int64_t widths[4];
  };
  for (const Stream& stream :
       {Stream{"small", {32, 64, 128, 256}}, Stream{"paper-64", {64, 128, 256, 512}}})
    for (int block = 0; block < 4; ++block)
      for (int conv = 1; conv <= 2; ++conv) {
        const std::int64_t side = 64 >> block, out = stream.widths[block];
        const std::int64_t in = conv == 2 ? out : block == 0 ? 3 : stream.widths[block - 1];
        const Conv2dParams p{32, side, side, in, out, 3, 3, 1, 1, 1, 1};
        register_rows(conv2d_rows(), fmt::format("{}.b{}c{}", stream.preset, block + 1, conv), p,
                      p.x_shape(), p.weight_shape(), p.y_shape(), p.flops());
      }
  for (const LinearParams& p :
       {LinearParams{32, 8192, 512}, LinearParams{32, 16384, 4096}, LinearParams{1, 16384, 4096}})
    register_rows(linear_rows(), fmt::format("{}x{}x{}", p.n, p.in_features, p.out_features), p,
                  {p.n, p.in_features}, {p.out_features, p.in_features}, {p.n, p.out_features},
                  2.0 * static_cast<double>(p.n * p.in_features * p.out_features));
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  register_all();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
