using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "hello", worker = .hello)],
  # The address comes from the command line: --socket-addr=http=127.0.0.1:PORT
  sockets = [(name = "http", http = (), service = "hello")]
);

const hello :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "workerd-worker.mjs")],
  compatibilityDate = "2026-11-01",
);
