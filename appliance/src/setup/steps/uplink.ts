import { AppError } from '../../errors/app-error.ts'
import type { UplinkAnswer } from '../../config/schema.ts'
import type { Step, StepIo } from '../../steps/step.ts'
import { cardsOfHost, neighbourAnswers } from '../../network/cards.ts'
import type { SetupContext } from '../context.ts'
import { isInUse } from '../network-trial.ts'
import { checkRpc } from '../wizard/check-rpc.ts'

/** How long the host itself tries: nobody stands before it. */
const seconds = 60

/**
 * The machine's own network as the answers say. Nobody may be there to confirm it, so the host tries it by itself: it keeps the
 * change once the way out and the chain's node answer over it; else all is as before and the step fails. What the wizard's page
 * has tried and a person has confirmed is found done. Throws `network-taken-back`, `host-helper-down`, `host-refused`.
 */
export const uplinkStep: Step<SetupContext> = {
  name: 'uplink',
  estimateSeconds: 5,
  async check({ answers }) {
    if (answers.uplink === null || answers.mode !== 'installed') return true
    return isInUse(answers.uplink, await cardsOfHost())
  },
  async run({ answers, host }, io) {
    const { uplink } = answers
    if (uplink === null || answers.mode !== 'installed') return
    if (host === undefined)
      throw new AppError({ code: 'host-helper-down', detail: 'The network is changed by the root helper alone.' })
    const { trial, until } = await host.tryNetwork({ uplink, seconds })
    io.log(`tried for ${seconds} s: ${nameOf(uplink)}; taken back unless the way out and the node answer`)
    const end = performance.now() + (seconds - 10) * 1000
    let missing = 'the way out'
    while (performance.now() < end) {
      io.signal.throwIfAborted()
      io.progress(`waiting for ${missing} over the new network`)
      missing = await stillMissing(uplink, answers.chain.rpcUrls[0] ?? '', io)
      if (missing === '') {
        await host.confirmNetwork({ trial })
        io.log('confirmed: it stays')
        return
      }
      await pause(io.signal)
    }
    // not before it is over: the next try would meet the one that is being taken back
    while (Date.now() / 1000 < until + 2 && isInUse(uplink, await cardsOfHost())) await pause(io.signal)
    throw new AppError({ code: 'network-taken-back', detail: `With ${nameOf(uplink)} there was no answer from ${missing}.` })
  },
}

async function stillMissing(uplink: UplinkAnswer, rpcUrl: string, io: StepIo): Promise<string> {
  const card = (await cardsOfHost()).find((one) => one.mac === uplink.mac)
  const gateway = uplink.ipv4 === 'dhcp' ? card?.gateway : uplink.ipv4.gateway
  if (gateway === null || gateway === undefined || !(await neighbourAnswers(gateway))) return 'the way out'
  const signal = AbortSignal.any([io.signal, AbortSignal.timeout(5000)])
  const answered = await checkRpc(rpcUrl, 'eth_chainId', [], signal).then(
    () => true,
    () => false,
  )
  return answered ? '' : 'the chain’s node'
}

function nameOf({ ipv4 }: UplinkAnswer): string {
  return ipv4 === 'dhcp' ? 'DHCP' : `${ipv4.address}/${ipv4.prefixLength} by ${ipv4.gateway}`
}

async function pause(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, 500)
  signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
  await promise
  signal.throwIfAborted()
}
