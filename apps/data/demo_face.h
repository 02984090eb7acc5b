#pragma once
/// The demo's masked faces: who someone is, what the eyes and brows do, one picture of it.

#include <cstdint>
#include <vector>

#include "apps/data/demo_canvas.h"
#include "kernels/base/philox.h"

namespace duet::demo {

enum class Hair { bald, cropped, parted, fringe, curly, long_straight, bun, cap };
enum class Mask { surgical, cloth, respirator };

/// What stays the same on all pictures of a person. Lengths are in half picture sides.
struct Person {
  Colour skin, hair, iris, clothes, mask;
  Hair hair_style;
  Mask mask_kind;
  double head_width, crown, chin, jaw;  // outline of the head
  double eye_apart, eye_width, eye_slant, eye_height;
  double brow_width, brow_height, brow_arch, brow_slant;
  double mask_height;  // of its upper edge on the nose, y down
  int mask_pattern;    // cloth: 0 plain, 1 stripes, 2 dots
  int wrinkles;        // lines on the forehead
  bool glasses;
};
Person draw_person(RandomSequence& random);

/// What the part of the face above the mask does.
struct Expression {
  double frown;      ///< 0 … 1: brows lowered and drawn together, lids narrowed, lines between
  double smile;      ///< 0 … 1: lower lids raised, crow's feet
  double eye_open;   ///< 1 is usual
  double brow_lift;  ///< in half picture sides
};
/// `frowning` is all that an expression knows of its class. Without a frown it lies anywhere
/// between a straight and a smiling look.
Expression draw_expression(bool frowning, RandomSequence& random);

/// One picture, (size, size, 3) RGB: pose, light, background and grain are drawn from `random`.
std::vector<std::uint8_t> draw_face(const Person& person, const Expression& expression, int size,
                                    RandomSequence& random);

}  // namespace duet::demo
