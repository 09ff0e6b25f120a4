import type { ConsoleStream } from '../port.ts'

/** A terminal with nobody behind it: what is typed comes back. `end` is called by the world when the VM stops. */
export function echoConsole(onEnd: () => void): ConsoleStream & { end(): void } {
  const listeners = new Set<(bytes: Uint8Array) => void>()
  const closers = new Set<() => void>()
  let open = true
  const end = (): void => {
    if (!open) return
    open = false
    onEnd()
    for (const closer of closers) closer()
  }
  return {
    onData: (listener) => void listeners.add(listener),
    write(bytes) {
      if (!open) return
      const copy = Uint8Array.from(bytes)
      queueMicrotask(() => {
        if (open) for (const listener of listeners) listener(copy)
      })
    },
    onClose: (listener) => void closers.add(listener),
    close: end,
    end,
  }
}
