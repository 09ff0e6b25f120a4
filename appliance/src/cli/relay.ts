import { connect } from 'node:net'

const connectMs = 15_000

/** What the far end may still say once who called us is gone: a cut connection would never end by itself. */
const lastWordsMs = 5000

/**
 * Connects standard input and output with a port until either end is done. False if nothing answers there: then nothing was
 * read from standard input. Never rejects.
 */
export async function relay(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port, allowHalfOpen: true, noDelay: true })
  const { promise, resolve } = Promise.withResolvers<boolean>()
  let connected = false
  socket.setTimeout(connectMs, () => socket.destroy())
  socket.on('connect', () => {
    connected = true
    socket.setTimeout(0)
    process.stdin.pipe(socket)
    process.stdin.on('end', () => socket.setTimeout(lastWordsMs))
    socket.pipe(process.stdout)
  })
  // ssh tells what a broken connection means; here it is an end
  socket.on('error', () => undefined)
  socket.on('close', () => resolve(connected))
  process.stdout.on('error', () => socket.destroy())
  try {
    return await promise
  } finally {
    // standard input would keep the process: ssh has what it needs
    if (connected) process.stdin.destroy()
  }
}
