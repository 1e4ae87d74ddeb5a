"""The operators of PyTorch that a file may call: they compute tensors and numbers from their arguments, and no more.

Others write files (`aten::save`), read them (`aten::from_file`), print, or are not known to archc.
"""

from __future__ import annotations

_TENSORS = """
    __and__ __contains__ __getitem__ __is__ __isnot__ __not__ __or__ __xor__ _convolution _log_softmax
    _native_batch_norm_legit_no_training _scaled_dot_product_attention _softmax _upsample_nearest_exact1d
    _upsample_nearest_exact2d _upsample_nearest_exact3d abs adaptive_avg_pool1d adaptive_avg_pool2d
    adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d add addcdiv addcmul addmm
    all alpha_dropout amax amin any append arange argmax argmin avg_pool1d avg_pool2d avg_pool3d baddbmm
    batch_norm bitwise_and bitwise_not bitwise_or bmm broadcast_tensors cat ceil celu channel_shuffle chunk
    clamp clamp_max clamp_min clone col2im concat constant_pad_nd contiguous conv1d conv2d conv3d
    conv_transpose1d conv_transpose2d conv_transpose3d convolution cos cumsum detach dim div dropout einsum elu
    embedding eq erf exp expand expand_as expm1 feature_alpha_dropout feature_dropout fill flatten flip floor
    floor_divide floordiv full full_like gather ge gelu glu group_norm gt hardshrink hardsigmoid hardswish
    hardtanh im2col index index_select instance_norm is_floating_point layer_norm le leaky_relu len lerp
    linalg_vector_norm linear log log1p log2 log_sigmoid log_softmax logical_and logical_not logical_or
    logsumexp lt masked_fill matmul max max_pool1d max_pool2d max_pool3d maximum mean min minimum mish mm mul
    narrow native_batch_norm native_group_norm native_layer_norm ne neg new_full new_ones new_zeros norm numel
    ones ones_like pad permute pixel_shuffle pixel_unshuffle pow prelu prod reciprocal reflection_pad1d
    reflection_pad2d relu relu6 remainder repeat replication_pad1d replication_pad2d reshape reshape_as rms_norm
    roll round rrelu rsqrt rsub scalar_tensor scaled_dot_product_attention select selu sigmoid sign silu sin
    size slice softmax softplus softshrink softsign split split_with_sizes sqrt square squeeze stack std
    std_mean stride sub sum swapaxes t tan tanh tensor threshold to transpose tril triu type_as unbind unflatten
    unfold unsqueeze upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d
    upsample_nearest2d upsample_nearest3d upsample_trilinear3d var var_mean view view_as where zeros zeros_like
"""
PURE = frozenset(_TENSORS.split())
"""Names in `aten`, without the underscore of those that write into their first argument."""


def is_pure(name: str) -> bool:
    """True for an operator of `aten` that only computes."""
    return name in PURE or name.removesuffix("_") in PURE
