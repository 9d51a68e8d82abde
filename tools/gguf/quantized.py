"""Makes test/data/gguf/quantized.gguf: rows of normal numbers, "F32", and what the gguf package (Q8_0, Q4_0, Q4_1, Q5_0)
and ggml itself (Q4_K, Q6_K, through llama-cpp-python) make of them. Made with gguf 0.19.0 and llama-cpp-python 0.3.36.

python3 tools/gguf/quantized.py test/data/gguf/quantized.gguf
"""
import ctypes
import glob
import os
import sys

import gguf
import llama_cpp
import numpy

ROWS, COLUMNS = 2, 512

rows = numpy.random.default_rng(2).standard_normal((ROWS, COLUMNS)).astype(numpy.float32)
rows[0, :32] = 0
writer = gguf.GGUFWriter(sys.argv[1], "quantized")
writer.add_tensor("F32", rows)
for name in ["Q8_0", "Q4_0", "Q4_1", "Q5_0"]:
    kind = gguf.GGMLQuantizationType[name]
    writer.add_tensor(name, gguf.quants.quantize(rows, kind), raw_dtype=kind)
ggml = ctypes.CDLL(glob.glob(os.path.join(os.path.dirname(llama_cpp.__file__), "lib", "libggml-base.so*"))[0])
ggml.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64,
                                     ctypes.c_int64, ctypes.c_void_p]
ggml.ggml_quantize_chunk.restype = ctypes.c_size_t
for name in ["Q4_K", "Q6_K"]:
    kind = gguf.GGMLQuantizationType[name]
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = numpy.zeros((ROWS, COLUMNS // elements * size), dtype=numpy.uint8)
    ggml.ggml_quantize_chunk(int(kind), rows.ctypes.data, blocks.ctypes.data, 0, ROWS, COLUMNS, None)
    writer.add_tensor(name, blocks, raw_dtype=kind)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
