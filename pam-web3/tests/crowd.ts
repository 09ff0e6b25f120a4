import { limitlessHost, type CrowdHost } from './crowd-host.ts'
import { createStand, until, type Stand } from './stand.ts'
import { Terminal } from './terminal.ts'

/** Source addresses of the crowd; to be local ones of the namespace that it runs in (`testInNamespace`). */
export const addresses = Array.from({ length: 25 }, (_, i) => `198.51.100.${i + 1}`)
/** Of somebody who is not one of them. */
export const lateComer = '203.0.113.7'

/** Many people who sign in at one VM at the same time, behind the package's own limits of sshd. */
export interface Crowd {
  stand: Stand
  host: CrowdHost
  /** All of them at their prompts, waiting to be approved. */
  terminals: Terminal[]
  /** From the first connection to the last prompt. */
  promptSeconds: number
  /** Approves all, presses Enter everywhere at once. Milliseconds from Enter to the first byte of the command, one each. */
  enter(): Promise<number[]>
  stop(): Promise<void>
}

/**
 * `count` logins at a real sshd with `PerSourceMaxStartups 10`, as the guest has it where it sees its visitors' addresses. They
 * come in turn from these addresses, and ask the host that `hostOf` makes. @throws if one of them is not shown its prompt.
 */
export async function crowd(count: number, sources: readonly string[] = addresses, hostOf = limitlessHost): Promise<Crowd> {
  const stand = await createStand(undefined, ['PerSourceMaxStartups=10'])
  const host = await hostOf(stand)
  const terminals: Terminal[] = []
  const stop = async () => {
    for (const terminal of terminals) terminal.stop()
    await host.stop()
    await stand.stop()
  }
  try {
    await stand.setFacts(host.facts, host.secret)
    const began = performance.now()
    for (let i = 0; i < count; i += 1) {
      const source = sources[i % sources.length] ?? ''
      terminals.push(
        new Terminal(stand.port, {
          args: ['-o', 'PubkeyAuthentication=no', '-b', source],
          command: ['echo in-$((40+2))'],
        }),
      )
      // a server that is asked for hundreds of key exchanges in one instant shows its clients' impatience, not its own limits
      if (i % 10 === 9) await until(() => host.opened.length > i - 20, 'the crowd to be let to its prompts', 60)
    }
    await Promise.all(terminals.map((terminal) => terminal.expect(/paste the reply code: $/, 90)))
    const promptSeconds = (performance.now() - began) / 1000
    return {
      stand,
      host,
      terminals,
      promptSeconds,
      async enter() {
        await host.approveAll()
        return await Promise.all(
          terminals.map((terminal) => {
            const { promise, resolve, reject } = Promise.withResolvers<number>()
            const pressed = performance.now()
            terminal.onShown = () => {
              if (terminal.shown.includes('in-42')) resolve(performance.now() - pressed)
            }
            terminal
              .exit(120)
              .then((code) => code !== 0 && reject(new Error(`ssh ended with ${code}:\n${terminal.shown}`)), reject)
            terminal.type('\r')
            return promise
          }),
        )
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}
