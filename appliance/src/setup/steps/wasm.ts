import type { Step } from '../../steps/step.ts'
import type { SetupContext } from '../context.ts'

/**
 * WASM hosting as the answers say: on an installed host the root helper writes its configuration and starts or stops its units.
 * In embedded mode the supervisor runs it. Always done again: whether the units run is not ours to see.
 */
export const wasmStep: Step<SetupContext> = {
  name: 'wasm',
  estimateSeconds: 2,
  check: async ({ host }) => host?.isolates !== true,
  async run({ answers, host }, io) {
    await host?.setWasm({ enabled: answers.wasm.enabled })
    if (answers.wasm.enabled) io.log('freehold-wasmd is on; its settings stand in /etc/freehold/wasm.yaml')
  },
}
