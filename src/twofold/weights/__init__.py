"""The parameters file in and out: GGUF, safetensors, Hugging Face folders."""
