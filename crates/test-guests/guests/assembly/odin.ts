// Adds a header with the method that it saw, and the size of its input. Fails on request; has no allocator of its own.

// @ts-ignore: decorator
@external("env", "log")
declare function hostLog(ptr: usize, len: i32): void;

let kept: ArrayBuffer = new ArrayBuffer(0);

function log(message: string): void {
  const bytes = String.UTF8.encode(message);
  hostLog(changetype<usize>(bytes), bytes.byteLength);
}

function give(output: string): u64 {
  kept = String.UTF8.encode(output);
  return (<u64>changetype<usize>(kept)) | ((<u64>kept.byteLength) << 32);
}

function between(text: string, before: string, after: string): string {
  const start = text.indexOf(before);
  if (start < 0) return "";
  const from = start + before.length;
  return text.substring(from, text.indexOf(after, from));
}

export function execute(inputPtr: usize, inputSize: i32): u64 {
  const input = String.UTF8.decodeUnsafe(inputPtr, inputSize);
  const method = between(input, '"method":"', '"');
  log("saw " + method);
  assert(method != "DELETE", "deletes are not for me");
  const body = between(input, '"body":"', '"');
  const headers = '{"X-Method":["' + method + '"],"X-Size":["' + body.length.toString() + '"]}';
  return give('{"modified":true,"continue":true,"response":{"headers":' + headers + ',"body":"' + body + '"}}');
}
