import type { SectionView, Value } from '../resources.ts'

/** What the fields of a page get: the answer as it stands, and what the host found wrong about it by JSON pointer. */
export interface FieldsProps {
  value: Value
  onChange(value: Value): void
  wrong(pointer: string): string | undefined
  /** The host has kept an answer to this page otherwise than by its button. */
  saved(section: SectionView): void
  /** All answers, for pages that lean on earlier ones. */
  sections: readonly SectionView[]
}

/** A text as a whole number where it is one; else as it is, so that the host can say what is wrong with it. */
export function numberOf(text: string): number | string {
  return /^-?[0-9]{1,15}$/.test(text.trim()) ? Number(text) : text
}
