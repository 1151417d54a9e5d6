"""Generated gRPC stubs and servicers; their messages are in ``grilse.storage.proto``, made by ``tools/gen-protos``."""
