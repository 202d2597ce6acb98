;; Begins with 512 MiB of memory.
(module
  (memory (export "memory") 8192)
  (func (export "_start")))
