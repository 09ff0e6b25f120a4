import { z } from 'zod'
import type { SettingRepository } from '../store/settings.ts'
import type { FinalityMemory } from './heads.ts'

/** That a chain has finality, in the store. A lost store learns it again from the first honest answer. */
export function createFinalityMemory(settings: Pick<SettingRepository, 'get' | 'put'>, chainId: number): FinalityMemory {
  const key = `chain-finality:${chainId}`
  return {
    known: async () => (await settings.get(key, z.boolean())) === true,
    remember: () => settings.put(key, true),
  }
}
