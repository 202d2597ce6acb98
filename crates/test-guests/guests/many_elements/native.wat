;; Grows a table until the growth is refused, then gives up.
(module
  (memory (export "memory") 1)
  (table $table 1 funcref)

  (func (export "wasm-host:plugin/request-phase@0.1.0#on-request") (param $request i32) (result i32)
    (loop $again
      (br_if $again
        (i32.ge_s (table.grow $table (ref.null func) (i32.const 1000)) (i32.const 0))))
    unreachable)

  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    unreachable)
)
