import { connect } from 'node:net'
import { AppError } from '../../errors/app-error.ts'
import type { ConsoleStream } from '../port.ts'

/** Bytes of the serial console through QEMU's socket; one reader at a time. Throws `not-in-this-state` if the VM does not run. */
export function openConsole(path: string): Promise<ConsoleStream> {
  const { promise, resolve, reject } = Promise.withResolvers<ConsoleStream>()
  const socket = connect(path)
  socket.once('error', (cause) =>
    reject(new AppError({ code: 'not-in-this-state', detail: 'The console is there while the VM runs.', cause })),
  )
  socket.once('connect', () => {
    socket.removeAllListeners('error')
    socket.on('error', () => socket.destroy())
    resolve({
      onData: (listener) => void socket.on('data', (chunk) => listener(typeof chunk === 'string' ? Buffer.from(chunk) : chunk)),
      write: (bytes) => void socket.write(bytes),
      onClose: (listener) => void socket.once('close', () => listener()),
      close: () => void socket.destroy(),
    })
  })
  return promise
}
