"""Makes the pictures in tests/data/pictures with Pillow, and, beside each, what Pillow reads in it.

    python3 tests/make_picture_fixtures.py

Every picture shows the same scene, 24 wide and 16 high, so that a channel, a row or a column in the
wrong place shows. `NAME.ppm` (`rgb.jpg.ppm` for `rgb.jpg`) holds the RGB pixels that Pillow decodes, upright.
"""

from pathlib import Path

from PIL import Image, ImageOps

WIDTH, HEIGHT = 24, 16
OUT = Path(__file__).parent / "data" / "pictures"


def scene():
    """Smooth gradients (JPEG keeps them well) and a bright block in the upper left corner."""
    picture = Image.new("RGB", (WIDTH, HEIGHT))
    for y in range(HEIGHT):
        for x in range(WIDTH):
            corner = x < 8 and y < 8
            picture.putpixel((x, y), (240, 220, 40) if corner else (8 * x, 12 * y, 128))
    return picture


def save(name, picture, oracle=None, **options):
    path = OUT / name
    picture.save(path, **options)
    if oracle is None:
        with Image.open(path) as read:
            oracle = ImageOps.exif_transpose(read).convert("RGB")
    oracle.save(OUT / f"{name}.ppm")


def with_black(rgb):
    """CMYK with as much black ink as goes, so that all four components vary."""
    cmyk = Image.new("CMYK", rgb.size)
    for y in range(rgb.height):
        for x in range(rgb.width):
            light = max(rgb.getpixel((x, y)))
            inks = (255 - 255 * v // max(light, 1) for v in rgb.getpixel((x, y)))
            cmyk.putpixel((x, y), (*inks, 255 - light))
    return cmyk


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    rgb = scene()
    jpeg = {"quality": 95, "subsampling": 0}
    save("rgb.jpg", rgb, **jpeg)
    save("progressive.jpg", rgb, progressive=True, **jpeg)
    save("grey.jpg", rgb.convert("L"), quality=95)
    save("cmyk.jpg", with_black(rgb), **jpeg)
    save("rgb.png", rgb)
    save("grey.png", rgb.convert("L"))
    save("palette.png", rgb.quantize(16))
    grey = rgb.convert("L")
    deep = Image.frombytes("I;16", grey.size, b"".join(bytes((v, v)) for v in grey.tobytes()))
    save("grey16.png", deep, oracle=grey.convert("RGB"))
    save("rgb.bmp", rgb)

    alpha = rgb.convert("RGBA")
    for x in range(WIDTH):
        for y in range(HEIGHT):
            if x >= 12:
                r, g, b, _ = alpha.getpixel((x, y))
                alpha.putpixel((x, y), (r, g, b, 10 * x))
    save("rgba.png", alpha, oracle=rgb)
    opaque = rgb.convert("RGBA")
    save("opaque.png", opaque, oracle=rgb)

    # Photoshop's form of CMYK: luminance and chrominance with the Adobe segment's transform 2.
    # Pillow cannot write it, so the flag is set by hand and Pillow's reading is the oracle.
    data = bytearray((OUT / "cmyk.jpg").read_bytes())
    adobe = data.index(b"Adobe")
    data[adobe + 11] = 2
    path = OUT / "ycck.jpg"
    path.write_bytes(data)
    with Image.open(path) as read:
        read.convert("RGB").save(OUT / "ycck.jpg.ppm")

    # How a camera held that way stores the scene.
    stored = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    for orientation, transpose in stored.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        picture = rgb if transpose is None else rgb.transpose(transpose)
        save(f"exif{orientation}.jpg", picture, exif=exif, **jpeg)
    exif = Image.Exif()
    exif[0x0112] = 6
    save("exif6.png", rgb.transpose(Image.Transpose.ROTATE_90), oracle=rgb, exif=exif)


if __name__ == "__main__":
    main()
