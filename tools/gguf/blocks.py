"""Makes test/data/gguf/types.gguf: rows of random blocks of each type that hone reads, as "TYPE", and what the gguf
package expands them to, as "TYPE.f32". Needs gguf and numpy from PyPI (made with gguf 0.19.0).

python3 tools/gguf/blocks.py test/data/gguf/types.gguf
"""
import sys

import gguf
import numpy

TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"]
HALVES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}  # where a block has numbers in f16
ROWS, COLUMNS = 2, 512

random = numpy.random.default_rng(1)
writer = gguf.GGUFWriter(sys.argv[1], "types")
for name in TYPES:
    kind = gguf.GGMLQuantizationType[name]
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    if name == "F32":
        raw = random.standard_normal((ROWS, COLUMNS)).astype(numpy.float32)
    elif name == "F16":
        raw = random.standard_normal((ROWS, COLUMNS)).astype(numpy.float16)
    elif name == "BF16":
        raw = gguf.quants.quantize(random.standard_normal((ROWS, COLUMNS)).astype(numpy.float32), kind)
    else:
        blocks = random.integers(0, 256, (ROWS, COLUMNS // elements, size), dtype=numpy.uint8)
        for at in HALVES[name]:
            halves = (random.standard_normal((ROWS, COLUMNS // elements)) / 64).astype(numpy.float16)
            halves[0, 0] = 3e-7  # denormal
            blocks[:, :, at:at + 2] = halves.view(numpy.uint8).reshape(ROWS, -1, 2)
        raw = blocks.reshape(ROWS, -1)
    wide = gguf.quants.dequantize(raw, kind).astype(numpy.float32)
    writer.add_tensor(name, raw, raw_dtype=kind)
    writer.add_tensor(name + ".f32", wide.reshape(ROWS, COLUMNS))
writer.add_uint8("kinds.u8", 200)
writer.add_int8("kinds.i8", -100)
writer.add_uint16("kinds.u16", 60000)
writer.add_int16("kinds.i16", -30000)
writer.add_uint32("kinds.u32", 4000000000)
writer.add_int32("kinds.i32", -2000000000)
writer.add_uint64("kinds.u64", 2**40)
writer.add_int64("kinds.i64", -2**40)
writer.add_float32("kinds.f32", 0.1)
writer.add_float64("kinds.f64", 0.1)
writer.add_bool("kinds.flag", True)
writer.add_string("kinds.text", "naïve\n")
writer.add_array("kinds.texts", ["a", "", "ü"])
writer.add_array("kinds.numbers", [0.5, -1.5])
writer.add_array("kinds.whole", [1, -2, 3, 4, 5])
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
