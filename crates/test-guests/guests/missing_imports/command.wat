;; Wants what no command has.
(module
  (import "wasix_32v1" "thread_spawn" (func (param i32) (result i32)))
  (import "env" "system" (func (param i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")))
