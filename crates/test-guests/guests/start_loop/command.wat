;; Never ends, before it is asked to begin.
(module
  (memory (export "memory") 1)
  (func $forever (loop $again (br $again)))
  (func (export "_start"))
  (start $forever))
