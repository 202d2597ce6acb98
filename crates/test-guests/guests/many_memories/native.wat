;; Grows three memories in turn until one growth is refused, then gives up.
(module
  (memory (export "memory") 1)
  (memory $second 1)
  (memory $third 1)

  (func (export "wasm-host:plugin/request-phase@0.1.0#on-request") (param $request i32) (result i32)
    (loop $again
      (br_if $again (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)))
      (br_if $again (i32.ge_s (memory.grow $second (i32.const 16)) (i32.const 0)))
      (br_if $again (i32.ge_s (memory.grow $third (i32.const 16)) (i32.const 0))))
    unreachable)

  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    unreachable)
)
