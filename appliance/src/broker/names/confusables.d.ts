declare module 'unicode-confusables' {
  const confusables: { rectifyConfusion(text: string): string; isConfusing(text: string): boolean }
  export default confusables
}
