/// Each stream opens the other's gate, for every position and channel, without weights:
///
///   y = face · sigmoid(voice) + voice · sigmoid(face)
///
/// A fusion with a kernel of its own, all in this file: the formula, once, for the CPU and for
/// CUDA; its rows; its derivative; its registration.

#include "kernels/base/rows.h"
#include "kernels/base/view.h"
#include "kernels/simt/simt.h"
#if !DUET_CUDA_PLUGIN
#include "engine/ops/run.h"
#include "kernels/base/parallel.h"
#include "layers/fusion/fusion.h"
#endif

namespace duet {
namespace {

template <class T>
DUET_HOST_DEVICE T gate(T x) {
  return T(1) / (T(1) + std::exp(-x));
}

template <class T>
struct Forward {
  const T *face, *voice;
  T* y;

  DUET_HOST_DEVICE void operator()(std::int64_t i) const {
    y[i] = face[i] * gate(voice[i]) + voice[i] * gate(face[i]);
  }
};

template <class T>
struct Backward {
  const T *face, *voice, *grad_y;
  T *grad_face, *grad_voice;

  DUET_HOST_DEVICE void operator()(std::int64_t i) const {
    const T f = gate(face[i]), v = gate(voice[i]);
    grad_face[i] = grad_y[i] * (v + voice[i] * f * (1 - f));
    grad_voice[i] = grad_y[i] * (f + face[i] * v * (1 - v));
  }
};

// ---- Rows.

struct CrossGateParams {
  std::int64_t count;
};
[[maybe_unused]] std::string describe(const CrossGateParams& p) {
  return fmt::format("({})", p.count);
}

struct CrossGateRow : RowInfo {
  using Params = CrossGateParams;
  Support (*supports)(const Params&, DType);
  void (*forward)(Exec&, const Params&, ConstView face, ConstView voice, View y);
  void (*backward)(Exec&, const Params&, ConstView face, ConstView voice, ConstView grad_y,
                   View grad_face, View grad_voice);
};

/// A row whose bodies `Run::each(exec, count, body)` calls for 0 … count-1.
template <class Run>
CrossGateRow make_row(RowInfo info) {
  return {info, [](const CrossGateParams&, DType dtype) { return any_floating(dtype); },
          [](Exec& exec, const CrossGateParams& p, ConstView face, ConstView voice, View y) {
            dispatch_floating(y.dtype, [&](auto zero) {
              using T = decltype(zero);
              Run::each(exec, p.count, Forward<T>{face.as<T>(), voice.as<T>(), y.as<T>()});
            });
          },
          [](Exec& exec, const CrossGateParams& p, ConstView face, ConstView voice,
             ConstView grad_y, View grad_face, View grad_voice) {
            dispatch_floating(grad_y.dtype, [&](auto zero) {
              using T = decltype(zero);
              Run::each(exec, p.count,
                        Backward<T>{face.as<T>(), voice.as<T>(), grad_y.as<T>(), grad_face.as<T>(),
                                    grad_voice.as<T>()});
            });
          }};
}

struct OnDevice {
  template <class Body>
  static void each(Exec& exec, std::int64_t count, Body body) {
    simt::for_each(exec.stream, count, body);
  }
};

#if !DUET_CUDA_PLUGIN
struct OnCpu {
  template <class Body>
  static void each(Exec&, std::int64_t count, Body body) {
    parallel_for(count, 1 << 14, [body](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) body(i);
    });
  }
};
#endif

RowList<CrossGateRow>& cross_gate_rows() {
  static RowList<CrossGateRow> rows("cross_gate", {
    make_row<OnDevice>({SIMT_ROW("elementwise"), RowKind::handwritten, simt::device_type}),
#if !DUET_CUDA_PLUGIN
        make_row<OnCpu>({"ref", RowKind::ref, DeviceType::cpu}),
#endif
  });
  return rows;
}
[[maybe_unused]] const auto& listed = cross_gate_rows();

// ---- The op and the layer.

#if !DUET_CUDA_PLUGIN
struct CrossGateFunction {
  static constexpr const char* name = "cross_gate";

  static Tensor forward(Context& context, const Tensor& face, const Tensor& voice) {
    require_same_kind(name, "voice", face, voice);
    const CrossGateParams params{face.numel()};
    const CrossGateRow& row = select_row(cross_gate_rows(), params, face);
    const Tensor y = Tensor::empty(face.shape(), face.dtype(), face.device());
    OpExec exec(row, face.device());
    row.forward(exec, params, face, voice, y);
    context.save({face, voice});
    context.store(&row);
    return y;
  }

  static Gradients backward(Context& context, const Tensor& grad_y) {
    const Tensor &face = context.saved(0), &voice = context.saved(1);
    const Tensor grad_face = Tensor::empty(face.shape(), face.dtype(), face.device());
    const Tensor grad_voice = Tensor::empty(voice.shape(), voice.dtype(), voice.device());
    const CrossGateRow& row = *context.stored<const CrossGateRow*>();
    OpExec exec(row, face.device());
    row.backward(exec, {face.numel()}, face, voice, grad_y, grad_face, grad_voice);
    return {grad_face, grad_voice};
  }
};

class CrossGated : public Fusion {
 public:
  CrossGated(Build&, const FusionInput& input) : channels_(input.channels) {}

  Tensor forward(const Tensor& face, const Tensor& voice) override {
    return apply<CrossGateFunction>(face, voice);
  }
  std::int64_t out_channels() const override { return channels_; }

 private:
  std::int64_t channels_;
};

const FusionRegistration registered("cross_gated", make_fusion_of<CrossGated>, "cross_gate");
#endif

}  // namespace
}  // namespace duet
