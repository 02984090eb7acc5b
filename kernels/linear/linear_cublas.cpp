#include <cublasLt.h>

#include <map>
#include <mutex>
#include <optional>

#include "kernels/cuda/device.h"
#include "kernels/linear/linear.h"
#include "kernels/relu/relu.h"

namespace duet {

extern const ReluRow relu_cuda;

namespace {

/// What cuBLASLt may ask for; its manual recommends 32 MiB for an H100.
constexpr std::size_t most_workspace_bytes = std::size_t{32} << 20;

void check(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS)
    fail("[cublas] {}: {} ({})", what, cublasLtGetStatusString(status),
         cublasLtGetStatusName(status));
}

/// An object of cuBLASLt's, which `destroy` ends.
template <class Handle, cublasStatus_t (*destroy)(Handle)>
class Object {
 public:
  Object() = default;
  ~Object() {
    if (handle_) destroy(handle_);
  }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  Handle* address() { return &handle_; }
  operator Handle() const { return handle_; }

 private:
  Handle handle_ = nullptr;
};
using Operation = Object<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using Layout = Object<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using Preference = Object<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

template <class T>
void set(const Operation& operation, cublasLtMatmulDescAttributes_t name, const T& value) {
  check(cublasLtMatmulDescSetAttribute(operation, name, &value, sizeof value), "an operation");
}
template <class T>
void set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t name, T value) {
  check(cublasLtMatmulPreferenceSetAttribute(preference, name, &value, sizeof value),
        "a preference");
}

int current_device() {
  int index = 0;
  cuda::check(cudaGetDevice(&index), "current device");
  return index;
}

/// The current device's. Not destroyed: at the end of a process CUDA may be gone before its users.
cublasLtHandle_t handle_of(int device) {
  static std::mutex mutex;
  static auto& handles = *new std::map<int, cublasLtHandle_t>;
  const std::scoped_lock lock(mutex);
  cublasLtHandle_t& handle = handles[device];
  if (!handle) check(cublasLtCreate(&handle), "a handle");
  return handle;
}

/// C = op(A) · op(B), all in the order of columns that cuBLAS knows: a matrix of ours, of rows, is
/// its transpose there. op(A) is m × k, op(B) k × n, C m × n, dense.
struct Product {
  DType dtype;
  std::int64_t m, n, k;
  bool transpose_a, transpose_b;
  /// Whether f32 operands may be rounded to TF32.
  bool tf32 = false;

  auto operator<=>(const Product&) const = default;
};

/// Largest power of two up to 256 that all addresses are multiples of.
std::uint32_t common_alignment(std::initializer_list<const void*> addresses) {
  std::uintptr_t bits = 256;
  for (const void* address : addresses) bits |= reinterpret_cast<std::uintptr_t>(address);
  return static_cast<std::uint32_t>(bits & (~bits + 1));
}

/// The algorithm that the heuristics like best, of those that add in the precision they compute in
/// and in an order that does not change from run to run; none where there is none.
std::optional<cublasLtMatmulHeuristicResult_t> choose(cublasLtHandle_t handle,
                                                      const Operation& operation, const Layout& a,
                                                      const Layout& b, const Layout& c,
                                                      std::uint32_t alignment) {
  Preference preference;
  check(cublasLtMatmulPreferenceCreate(preference.address()), "a preference");
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, most_workspace_bytes);
  set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      std::uint32_t{CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment);
  cublasLtMatmulHeuristicResult_t best{};
  int found = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(handle, operation, a, b, c, c, preference, 1, &best, &found);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED || (status == CUBLAS_STATUS_SUCCESS && found == 0))
    return {};
  check(status, "choosing an algorithm");
  return best;
}

/// With `bias` (m elements, added to every column of C) or without. `fused`: the bias is added
/// where the product is made, for which there is an algorithm in f32 and bf16 as a rule; otherwise
/// C begins as the bias, column for column, and the product is added.
void run(Exec& exec, const Product& p, const void* a, const void* b, void* c, const void* bias,
         bool fused) {
  const bool f64 = p.dtype == DType::f64;
  const bool bf16 = p.dtype == DType::bf16;
  const cudaDataType_t type = f64 ? CUDA_R_64F : bf16 ? CUDA_R_16BF : CUDA_R_32F;
  const cublasComputeType_t compute = f64      ? CUBLAS_COMPUTE_64F
                                      : p.tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                               : CUBLAS_COMPUTE_32F;
  Operation operation;
  check(cublasLtMatmulDescCreate(operation.address(), compute, f64 ? CUDA_R_64F : CUDA_R_32F),
        "an operation");
  const auto transposed = [](bool yes) { return yes ? CUBLAS_OP_T : CUBLAS_OP_N; };
  set(operation, CUBLASLT_MATMUL_DESC_TRANSA, transposed(p.transpose_a));
  set(operation, CUBLASLT_MATMUL_DESC_TRANSB, transposed(p.transpose_b));
  if (fused) {
    set(operation, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    set(operation, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, type);
  } else if (bias) {
    const std::size_t column = static_cast<std::size_t>(p.m) * size_of(p.dtype);
    const auto copy = [&](std::int64_t to, const void* from, std::int64_t columns) {
      cuda::check(cudaMemcpyAsync(static_cast<char*>(c) + to * column, from, columns * column,
                                  cudaMemcpyDeviceToDevice, cuda::stream_of(exec.stream)),
                  "copying the bias");
    };
    copy(0, bias, 1);
    for (std::int64_t done = 1; done < p.n; done *= 2) copy(done, c, std::min(done, p.n - done));
  }

  Layout layout_a, layout_b, layout_c;
  const auto lay_out = [&](Layout& layout, std::int64_t rows, std::int64_t columns) {
    check(cublasLtMatrixLayoutCreate(layout.address(), type, static_cast<std::uint64_t>(rows),
                                     static_cast<std::uint64_t>(columns), rows),
          "a layout");
  };
  lay_out(layout_a, p.transpose_a ? p.k : p.m, p.transpose_a ? p.m : p.k);
  lay_out(layout_b, p.transpose_b ? p.n : p.k, p.transpose_b ? p.k : p.n);
  lay_out(layout_c, p.m, p.n);

  const int device = current_device();
  const cublasLtHandle_t handle = handle_of(device);
  const std::uint32_t alignment = common_alignment({a, b, c, fused ? bias : nullptr});
  std::optional<cublasLtMatmulHeuristicResult_t> found;
  {
    static std::mutex mutex;
    static auto& chosen = *new std::map<std::tuple<int, Product, bool, std::uint32_t>,
                                        std::optional<cublasLtMatmulHeuristicResult_t>>;
    const std::scoped_lock lock(mutex);
    const auto [entry, fresh] = chosen.try_emplace({device, p, fused, alignment});
    if (fresh) try {
        entry->second = choose(handle, operation, layout_a, layout_b, layout_c, alignment);
      } catch (...) {
        chosen.erase(entry);
        throw;
      }
    found = entry->second;
  }
  if (!found && fused) return run(exec, p, a, b, c, bias, false);
  require(found.has_value(), "[cublas] no algorithm for this matrix product");
  const cublasLtMatmulHeuristicResult_t& algorithm = *found;
  void* workspace =
      algorithm.workspaceSize > 0 ? exec.workspace.allocate(algorithm.workspaceSize) : nullptr;
  const double beta = bias && !fused ? 1 : 0;
  const auto multiply = [&](auto one, auto factor) {
    check(cublasLtMatmul(handle, operation, &one, a, layout_a, b, layout_b, &factor, c, layout_c, c,
                         layout_c, &algorithm.algo, workspace, algorithm.workspaceSize,
                         cuda::stream_of(exec.stream)),
          "a matrix product");
  };
  if (f64)
    multiply(1.0, beta);
  else
    multiply(1.0f, static_cast<float>(beta));
}

bool takes_tf32(const LinearParams& p, ConstView x) { return p.tf32 && x.dtype == DType::f32; }

}  // namespace

extern const LinearRow linear_cublas = {
    {"cublas", RowKind::library, DeviceType::cuda},
    [](const LinearParams& p, DType dtype) {
      if (p.n < 1 || p.in_features < 1 || p.out_features < 1)
        return Support::no("takes no empty matrix");
      return any_real(dtype);
    },
    [](Exec& exec, const LinearParams& p, ConstView x, ConstView weight, ConstView bias, View y) {
      run(exec, {x.dtype, p.out_features, p.n, p.in_features, true, false, takes_tf32(p, x)},
          weight.data, x.data, y.data, bias.data, bias && x.dtype != DType::f64);
      // Of cuBLAS's own, as an epilogue, nobody says that it keeps NaN.
      if (p.relu) relu_cuda.forward(exec, {y.numel()}, y, y);
    },
    [](Exec& exec, const LinearParams& p, ConstView grad_y, ConstView weight, View grad_x) {
      run(exec,
          {grad_y.dtype, p.in_features, p.n, p.out_features, false, false, takes_tf32(p, grad_y)},
          weight.data, grad_y.data, grad_x.data, nullptr, false);
    },
    [](Exec& exec, const LinearParams& p, ConstView x, ConstView grad_y, View grad_weight) {
      run(exec, {x.dtype, p.in_features, p.out_features, p.n, false, true, takes_tf32(p, x)},
          x.data, grad_y.data, grad_weight.data, nullptr, false);
    },
};

}  // namespace duet
