"""The convolution of the built-in blocks."""

from functools import lru_cache

from archc.operators.convolution import Conv2d


@lru_cache(1024)
def convolution(
    out_channels: int, kernel_size: int, *, stride: int = 1, dilation: int = 1, groups: int = 1, bias: bool
) -> Conv2d:
    """A convolution of odd kernel_size that keeps the size at stride 1.

    Every field is written, so that a spec's `defaults` change none on which a block relies.
    """
    padding = dilation * (kernel_size // 2)
    return Conv2d(
        out_channels=out_channels,
        kernel_size=(kernel_size, kernel_size),
        stride=(stride, stride),
        padding=(padding, padding),
        dilation=(dilation, dilation),
        groups=groups,
        bias=bias,
    )
