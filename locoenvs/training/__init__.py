"""What a training run asks for and leaves behind, whoever learns."""
