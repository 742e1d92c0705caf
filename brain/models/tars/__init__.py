"""The TARS brain: Mamba-2 and RWKV-7 fused in each block, low-rank experts, a pool of refinement steps."""
