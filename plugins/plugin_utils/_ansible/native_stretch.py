# SPDX-License-Identifier: GPL-3.0-or-later
# Internal to keyward.bitlocker: not an interface, may change without notice.
"""The stretch of a recovery password in machine code: the loop made by LLVM, the hash by the libcrypto that Python has loaded anyway.

A million rounds cost Python five times what their hashes cost. With llvmlite, which is optional, only the hashes are left. Whatever is
missing or forbidden here, :func:`.unsealing.stretch` does the same slowly; and what is made here is held against it before it is used.

Only worker processes make it, before they know any secret: where LLVM ends the process in place of an error, a worker without it follows.
"""

from __future__ import annotations

import ctypes
import importlib
import struct
import sys
from collections.abc import Callable
from typing import Any

from .._core.key_proof.unsealing import ROUNDS, SALT_SIZE, Rounds, check_sizes, stretch

#: rounds at either end of the counters that are held against those of hashlib
CHECKED = 300

# A message of 88 bytes and its padding (FIPS 180-4, 5.1.1) are two blocks of 64: last hash and intermediate key; salt, counter, padding.
# Behind them is OpenSSL's SHA256_CTX, which begins with the state, eight words; it has 112 bytes, and may grow.
_HASH, _INTERMEDIATE, _SALT, _PADDING, _LENGTH, _SIZE = 0, 32, 64, 88, 120, 512
_BITS = struct.pack(">Q", 88 * 8)
#: the state that every hash begins with (FIPS 180-4, 5.3.3)
_INITIAL = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
# the hash comes as words of this machine, which is little-endian, and goes into the next message as big-endian ones
_PROGRAM = """
define void @rounds(ptr %work, ptr %transform, i64 %start, i64 %stop) {
entry:
  %second = getelementptr i8, ptr %work, i64 64
  %counter = getelementptr i8, ptr %work, i64 80
  %state = getelementptr i8, ptr %work, i64 128
  br label %round
round:
  %number = phi i64 [ %start, %entry ], [ %next, %round ]
  store <8 x i32> <INITIAL>, ptr %state, align 1
  store i64 %number, ptr %counter, align 1
  call void %transform(ptr %state, ptr %work)
  call void %transform(ptr %state, ptr %second)
  %words = load <8 x i32>, ptr %state, align 1
  %hash = call <8 x i32> @llvm.bswap.v8i32(<8 x i32> %words)
  store <8 x i32> %hash, ptr %work, align 1
  %next = add i64 %number, 1
  %more = icmp ult i64 %next, %stop
  br i1 %more, label %round, label %done
done:
  ret void
}
declare <8 x i32> @llvm.bswap.v8i32(<8 x i32>)
""".replace("INITIAL", ", ".join(f"i32 {word}" for word in _INITIAL))

_Loop = Callable[[int, int, int, int], None]


class NoNativeStretchError(RuntimeError):
    """There is none here; the text says why, as the end of a sentence."""


def native_stretch() -> Rounds:
    """Make it: about 0.1 s, most of it to load LLVM.

    Raises:
        NoNativeStretchError: this Python, libcrypto or system does not allow it, or it gives something else than hashlib does.
    """
    if sys.byteorder != "little":
        raise NoNativeStretchError("this processor is not little-endian")
    transform, loop = _transform(), _loop()

    def rounds(intermediate: bytes, salt: bytes, *, start: int = 0, stop: int = ROUNDS) -> bytes:
        check_sizes(intermediate, salt)
        work = bytearray(_SIZE)
        work[_INTERMEDIATE:_PADDING] = intermediate + salt + bytes(_PADDING - _SALT - SALT_SIZE)
        work[_PADDING] = 0x80
        work[_LENGTH : _LENGTH + len(_BITS)] = _BITS
        address = ctypes.addressof((ctypes.c_char * _SIZE).from_buffer(work))
        try:
            loop(address, transform, start, stop)
            return bytes(memoryview(work)[_HASH:_INTERMEDIATE])
        finally:
            ctypes.memset(address, 0, _SIZE)

    for seed, start in ((b"\x5a", 0), (b"\xc3", ROUNDS - CHECKED)):
        sample, stop = (seed * 32, bytes(range(SALT_SIZE))), start + CHECKED
        if rounds(*sample, start=start, stop=stop) != stretch(*sample, start=start, stop=stop):
            raise NoNativeStretchError("it does not give what hashlib gives")
    return rounds


def _transform() -> int:
    """The address of libcrypto's function for one block, which Python's hashlib has loaded; it is no longer documented, but exported."""
    try:
        library = ctypes.CDLL(str(importlib.import_module("_hashlib").__file__))
        address = ctypes.cast(library.SHA256_Transform, ctypes.c_void_p).value
    except (ImportError, OSError, AttributeError):
        address = None
    if not address:
        raise NoNativeStretchError("Python's libcrypto cannot be called")
    return address


def _loop() -> _Loop:
    """The rounds: address of the buffer and of the function for one block, first counter, and the one behind the last."""
    try:
        # by name, since it is optional and has no types
        llvm: Any = importlib.import_module("llvmlite.binding")
    except ImportError:
        raise NoNativeStretchError("llvmlite is not installed") from None
    except (OSError, RuntimeError) as error:
        raise NoNativeStretchError("llvmlite cannot be loaded") from error
    try:
        llvm.check_jit_execution()
    except OSError as error:
        raise NoNativeStretchError("this system allows no code that is made while a program runs") from error
    try:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        module = llvm.parse_assembly(_PROGRAM)
        module.verify()
        engine = llvm.create_mcjit_compiler(module, llvm.Target.from_default_triple().create_target_machine(opt=2))
        engine.finalize_object()
        address = engine.get_function_address("rounds")
    except (RuntimeError, AttributeError, TypeError, OSError) as error:
        raise NoNativeStretchError("llvmlite is of a version that does not understand it") from error
    if not address:
        raise NoNativeStretchError("llvmlite made nothing of it")
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64)
    function = kind(address)

    def loop(work: int, transform: int, start: int, stop: int, _kept: object = engine) -> None:
        function(work, transform, start, stop)

    return loop
