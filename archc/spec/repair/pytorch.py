"""The words of PyTorch: one that archc does not have is told as such, and not as a misspelt other one.

A word that archc gains is found before anything is looked up here, so it need not be taken out.
"""

from __future__ import annotations

from collections.abc import Iterable

_NN = """
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_log_softmax_with_loss
    adaptive_max_pool1d adaptive_max_pool1d_with_indices adaptive_max_pool2d adaptive_max_pool2d_with_indices
    adaptive_max_pool3d adaptive_max_pool3d_with_indices affine_grid alpha_dropout avg_pool1d avg_pool2d
    avg_pool3d batch_norm batch_norm1d batch_norm2d batch_norm3d bce_loss bce_with_logits_loss bilinear
    binary_cross_entropy binary_cross_entropy_with_logits buffer celu channel_shuffle circular_pad1d
    circular_pad2d circular_pad3d constant_pad1d constant_pad2d constant_pad3d container conv1d conv2d conv3d
    conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d cosine_embedding_loss cosine_similarity
    cross_entropy cross_entropy_loss cross_map_lrn2d ctc_loss data_parallel dropout dropout1d dropout2d
    dropout3d elu embedding embedding_bag feature_alpha_dropout flatten fold fractional_max_pool2d
    fractional_max_pool2d_with_indices fractional_max_pool3d fractional_max_pool3d_with_indices
    gaussian_nll_loss gelu glu grid_sample group_norm grouped_mm gru gru_cell gumbel_softmax hardshrink
    hardsigmoid hardswish hardtanh hinge_embedding_loss huber_loss identity instance_norm instance_norm1d
    instance_norm2d instance_norm3d interpolate kl_div kl_div_loss l1_loss layer_norm lazy_batch_norm1d
    lazy_batch_norm2d lazy_batch_norm3d lazy_conv1d lazy_conv2d lazy_conv3d lazy_conv_transpose1d
    lazy_conv_transpose2d lazy_conv_transpose3d lazy_instance_norm1d lazy_instance_norm2d lazy_instance_norm3d
    lazy_linear leaky_relu linear linear_cross_entropy linear_cross_entropy_loss linear_cross_entropy_options
    local_response_norm log_softmax logsigmoid lp_pool1d lp_pool2d lp_pool3d lstm lstm_cell margin_ranking_loss
    max_pool1d max_pool1d_with_indices max_pool2d max_pool2d_with_indices max_pool3d max_pool3d_with_indices
    max_unpool1d max_unpool2d max_unpool3d mish module module_dict module_list mse_loss
    multi_head_attention_forward multi_margin_loss multihead_attention multilabel_margin_loss
    multilabel_soft_margin_loss native_channel_shuffle nll_loss nll_loss2d normalize one_hot pad
    pairwise_distance parameter parameter_dict parameter_list pdist pixel_shuffle pixel_unshuffle
    poisson_nll_loss prelu reflection_pad1d reflection_pad2d reflection_pad3d relu relu6 replication_pad1d
    replication_pad2d replication_pad3d rms_norm rnn rnn_base rnn_cell rnn_cell_base rrelu
    scaled_dot_product_attention scaled_grouped_mm scaled_mm selu sequential sigmoid silu smooth_l1_loss
    soft_margin_loss softmax softmax2d softmin softplus softshrink softsign sync_batch_norm tanh tanhshrink
    threshold transformer transformer_decoder transformer_decoder_layer transformer_encoder
    transformer_encoder_layer triplet_margin_loss triplet_margin_with_distance_loss unflatten unfold
    uninitialized_buffer uninitialized_parameter upsample upsample_bilinear upsample_nearest
    upsampling_bilinear2d upsampling_nearest2d zero_pad1d zero_pad2d zero_pad3d
"""  # the classes of torch.nn and the functions of torch.nn.functional of PyTorch 2.13

_TORCH = """
    abs argmax bmm chunk clamp clip cumsum einsum exp expand gather index_select log logsumexp masked_fill matmul max
    min multi_head_attention norm prod repeat reshape roll rsqrt split sqrt squeeze tile topk transpose unbind unsqueeze
    var view where
"""  # functions of tensors that networks call

_SAME = {
    **{f"{norm}{n}d": norm for norm in ("batchnorm", "instancenorm") for n in (1, 2, 3)},
    **{f"{pad}{n}d": "pad" for pad in ("zeropad", "constantpad") for n in (1, 2, 3)},
    "syncbatchnorm": "batchnorm",
    "softmax2d": "softmax",
    "sequential": "sequence",
}
"""Words of PyTorch -> the word of the same meaning here, both as `plain` gives them."""


def plain(word: str) -> str:
    """A word without case and underscores: `LayerNorm` and `layer_norm` are one."""
    return word.lower().replace("_", "")


_WORDS = frozenset(map(plain, (*_NN.split(), *_TORCH.split())))


def same_word(word: str, words: Iterable[str]) -> str | None:
    """The one of our words that is written otherwise in PyTorch: `MaxPool2d`, `relu_`, `LazyConv2d`, `BatchNorm2d`."""
    written = plain(word)
    ours = {plain(other): other for other in (*words, "identity", "sequence")}
    return ours.get(written) or ours.get(_SAME.get(written.removeprefix("lazy"), written.removeprefix("lazy")))


def is_of_pytorch(word: str) -> bool:
    """True if PyTorch has a layer or function of this name."""
    return plain(word) in _WORDS
