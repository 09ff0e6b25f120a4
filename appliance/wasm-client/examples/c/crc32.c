/* CRC-32 (IEEE 802.3) of text that the program holds, and of a number given to it: no library, no imports. */
#define EXPORT(name) __attribute__((export_name(name)))

static unsigned crc_of(const unsigned char *bytes, unsigned long length) {
  unsigned crc = 0xffffffffu;
  for (unsigned long i = 0; i < length; i++) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1)));
  }
  return ~crc;
}

static const unsigned char check[] = "123456789";

EXPORT("check") unsigned check_value(void) { return crc_of(check, sizeof check - 1); }

EXPORT("crc32") unsigned crc_of_number(unsigned long long number) {
  unsigned char bytes[8];
  for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(number >> (8 * i));
  return crc_of(bytes, 8);
}
