/// Correct kernels are right under every schedule; where a barrier or a wait is missing, some
/// schedule shows it.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "tests/simt/device_array.h"
#include "tests/simt/flavour.h"
#include "tests/simt/kernels.h"

using namespace duet;
using namespace duet::test;

namespace {

constexpr double unit_roundoff = 0x1p-24;

/// The sanitizers are slow, and find a fault by what is executed rather than by its result.
constexpr int seeds = sanitized ? 2 : 20;

/// How many seeds give a wrong result, where `wrong` runs a kernel once.
int wrong_results(const std::function<bool()>& wrong) {
  int count = 0;
  for (int seed = 1; seed <= seeds; ++seed) {
    simt::set_seed(static_cast<std::uint64_t>(seed));
    count += wrong();
  }
  return count;
}

/// Whether some element is further from what it should be than the bound says, or NaN.
bool beyond(const std::vector<float>& got, const std::vector<double>& want,
            const std::vector<double>& bound) {
  for (std::size_t i = 0; i < got.size(); ++i)
    if (!(std::abs(got[i] - want[i]) <= bound[i])) return true;
  return false;
}

template <Fault fault>
bool wrong_sums() {
  constexpr int rows = 3, columns = 300;
  // Rows of their own size: what a block takes from the row before is far off.
  auto x = random_floats(rows * columns, 1);
  std::vector<double> sums(rows), zeros(rows), bounds(rows);
  for (int r = 0; r < rows; ++r)
    for (int i = 0; i < columns; ++i) {
      sums[r] += x[r * columns + i] += 1.0f + r;
      // Each of at most columns + 1 additions rounds a partial sum of at most this size.
      bounds[r] += (columns + 1) * unit_roundoff * std::abs(x[r * columns + i]);
    }
  std::vector<double> residue_bounds(bounds);
  for (double& bound : residue_bounds) bound *= 3;  // of the sum, of its share, of the second sum
  const DeviceArray<float> in(x), out(rows), residues(rows);
  sum_rows<fault>(simt_stream, in.get(), out.get(), residues.get(), rows, columns);
  return beyond(out.host(), sums, bounds) || beyond(residues.host(), zeros, residue_bounds);
}

using Gemm = void (*)(const Stream&, const float*, const float*, float*, int, int, int);

/// `input_roundoff`: of the conversion of a and b.
bool wrong_product(Gemm gemm, int m, int n, int k, double input_roundoff) {
  const auto a = random_floats(static_cast<std::size_t>(m) * k, 2);
  const auto b = random_floats(static_cast<std::size_t>(k) * n, 3);
  std::vector<double> want(static_cast<std::size_t>(m) * n), bound(want.size());
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      double magnitude = 0;
      for (int l = 0; l < k; ++l) {
        const double product = double{a[i * k + l]} * b[l * n + j];
        want[i * n + j] += product;
        magnitude += std::abs(product);
      }
      // k products and k sums, each rounded; both inputs rounded once.
      bound[i * n + j] = (2 * k * unit_roundoff + 2.01 * input_roundoff) * magnitude;
    }
  const DeviceArray<float> da(a), db(b), dc(want.size());
  gemm(simt_stream, da.get(), db.get(), dc.get(), m, n, k);
  return beyond(dc.host(), want, bound);
}

constexpr double tf32_roundoff = 0x1p-11;
template <Fault fault>
bool wrong_sgemm() {
  return wrong_product(sgemm<fault>, 64, 32, 48, 0);
}
template <Fault fault>
bool wrong_tf32() {
  return wrong_product(gemm_tf32<fault>, 64, 32, 96, tf32_roundoff);
}

void gemm_bf16_from_floats(const Stream& stream, const float* a, const float* b, float* c, int m,
                           int n, int k) {
  std::vector<simt::bf16> ha(static_cast<std::size_t>(m) * k), hb(static_cast<std::size_t>(n) * k);
  {
    const simt::HostAccess access;
    for (std::size_t i = 0; i < ha.size(); ++i) ha[i] = simt::bf16(a[i]);
    for (int l = 0; l < k; ++l)
      for (int j = 0; j < n; ++j) hb[j * k + l] = simt::bf16(b[l * n + j]);
  }
  const DeviceArray<simt::bf16> da(ha), db(hb);
  gemm_bf16(stream, da.get(), db.get(), c, m, n, k);
}

}  // namespace

TEST_CASE("a reduction by shuffles is right under every schedule") {
  CHECK(wrong_results(wrong_sums<Fault::none>) == 0);
}

TEST_CASE("a double-buffered matrix product in dynamic shared memory is right") {
  CHECK(wrong_results(wrong_sgemm<Fault::none>) == 0);
}

TEST_CASE("a tf32 product by cp.async and mma is right") {
  CHECK(wrong_results(wrong_tf32<Fault::none>) == 0);
}

TEST_CASE("a bf16 product by mma is right") {
  constexpr double bf16_roundoff = 0x1p-8;
  CHECK(wrong_results(
            [] { return wrong_product(gemm_bf16_from_floats, 32, 24, 48, bf16_roundoff); }) == 0);
}

TEST_CASE("schedules show missing barriers and waits" * doctest::skip(sanitized)) {
  // Not every block of every seed: a quarter of them keep all warps in step.
  const int most = seeds * 3 / 4;
  CHECK(wrong_results(wrong_sums<Fault::no_barrier>) >= most);
  CHECK(wrong_results(wrong_sums<Fault::no_trailing_barrier>) >= most);
  CHECK(wrong_results(wrong_sgemm<Fault::no_barrier>) >= most);
  CHECK(wrong_results(wrong_sgemm<Fault::no_trailing_barrier>) >= most);
  CHECK(wrong_results(wrong_tf32<Fault::no_wait>) == seeds);
  CHECK(wrong_results(wrong_tf32<Fault::no_barrier>) >= most);
  CHECK(wrong_results(wrong_tf32<Fault::no_trailing_barrier>) >= most);
}
