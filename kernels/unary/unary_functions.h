#pragma once
/// The functions and derivatives of op `unary`, for one element.

#include <cmath>

#include "kernels/base/host_device.h"
#include "kernels/unary/unary.h"

namespace duet::unary {

template <class T>
DUET_HOST_DEVICE T value(const UnaryParams& p, T x) {
  switch (p.op) {
    case UnaryOp::affine: return static_cast<T>(p.scale) * x + static_cast<T>(p.offset);
    case UnaryOp::square: return x * x;
    case UnaryOp::sqrt: return std::sqrt(x);
    case UnaryOp::exp: return std::exp(x);
    case UnaryOp::log: return std::log(x);
    case UnaryOp::sigmoid: return T(1) / (T(1) + std::exp(-x));
    case UnaryOp::tanh: return std::tanh(x);
  }
  return x;
}

/// f′(x), given x and y = f(x).
template <class T>
DUET_HOST_DEVICE T derivative(const UnaryParams& p, T x, T y) {
  switch (p.op) {
    case UnaryOp::affine: return static_cast<T>(p.scale);
    case UnaryOp::square: return T(2) * x;
    case UnaryOp::sqrt: return T(0.5) / y;
    case UnaryOp::exp: return y;
    case UnaryOp::log: return T(1) / x;
    case UnaryOp::sigmoid: return y * (T(1) - y);
    case UnaryOp::tanh: return T(1) - y * y;
  }
  return T(1);
}

}  // namespace duet::unary
