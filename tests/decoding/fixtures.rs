//! Envelopes by another encoder: Python's `meshtastic` and `cryptography` packages. Unless said
//! otherwise: from !a1b2c3d4 to everybody, packet 0x12345678, on `LongFast` with the default key,
//! heard by !0badcafe at 1795176000 with 6.25 dB and -88 dBm, with 2 hops left of 3.

/// 47.9526912, 67.141632 at 42 m, a cell of 16 bits, 90 km/h towards 264.61 degrees, 9 satellites,
/// ten seconds before it was heard.
pub(crate) const POSITION: &str = "\
    0a510dd4c3b2a115ffffffff18082a25fff25383ed4fc6093205f375df3f507056840926a813cf8cd0f58b3d86\
    ec629abb8e37c8f235785634123d4036006b450000c840480260a8ffffffffffffffff01780312084c6f6e6746\
    6173741a09213062616463616665";
/// The same on `MediumFast`, with the default key.
pub(crate) const MEDIUM_FAST_POSITION: &str = "\
    0a510dd4c3b2a115ffffffff181f2a25fff25383ed4fc6093205f375df3f507056840926a813cf8cd0f58b3d86\
    ec629abb8e37c8f235785634123d4036006b450000c840480260a8ffffffffffffffff017803120a4d65646975\
    6d466173741a09213062616463616665";
/// The same with the default key number 10.
pub(crate) const NUMBERED_KEY_POSITION: &str = "\
    0a510dd4c3b2a115ffffffff18562a259f969008a375f13adb8524cd4bd874bf611e6484ce5ab509bdb462f4b3\
    4ca954ff45358cdd35785634123d4036006b450000c840480260a8ffffffffffffffff017803120354656e1a09\
    213062616463616665";
/// The same with a key of two bytes, 1 and 2.
pub(crate) const TWO_BYTE_KEY_POSITION: &str = "\
    0a510dd4c3b2a115ffffffff184f2a252c6264ad1481e46c934798f941079a9fe334bff5d8a29d73c404216bdd\
    c86e3944285f023f35785634123d4036006b450000c840480260a8ffffffffffffffff017803120354776f1a09\
    213062616463616665";
/// The same with a key of 32 bytes, 1 to 32.
pub(crate) const AES_256_POSITION: &str = "\
    0a510dd4c3b2a115ffffffff180a2a2521eaabc3a24159a062cd51984b3716a250bdd9575cc784ea5da9ca64c1\
    4dfcbe756ea4504235785634123d4036006b450000c840480260a8ffffffffffffffff01780312044c6f6e671a\
    09213062616463616665";
/// The same on a channel without a key.
pub(crate) const CLEAR_KEY_POSITION: &str = "\
    0a510dd4c3b2a115ffffffff18342a250803121f0d0000951c1500000528182a253636006b785a8001c886cf0c\
    980109b80110480135785634123d4036006b450000c840480260a8ffffffffffffffff01780312044f70656e1a\
    09213062616463616665";
/// The same with a key of 16 bytes, 1 to 16.
pub(crate) const KEY_OF_16_POSITION: &str = "\
    0a510dd4c3b2a115ffffffff18312a256a62750dfec57721e61fa8fa4e30bde3cf9841ce9825bf5e7a4d238daf\
    31bed418cc5eb4bf35785634123d4036006b450000c840480260a8ffffffffffffffff017803120448696c6c1a\
    09213062616463616665";
/// The same from a gateway that does not encrypt.
pub(crate) const DECODED_POSITION: &str = "\
    0a4f0dd4c3b2a115ffffffff22250803121f0d0000951c1500000528182a253636006b785a8001c886cf0c9801\
    09b80110480135785634123d4036006b450000c840480260a8ffffffffffffffff01780312084c6f6e67466173\
    741a09213062616463616665";
/// The same under a public key.
pub(crate) const DIRECT_POSITION: &str = "\
    0a540dd4c3b2a115ffffffff18082a25fff25383ed4fc6093205f375df3f507056840926a813cf8cd0f58b3d86\
    ec629abb8e37c8f235785634123d4036006b450000c840480260a8ffffffffffffffff01780388010112084c6f\
    6e67466173741a09213062616463616665";
/// A router, `HELTEC_V3`, whose long name holds markup.
pub(crate) const NODE_INFO: &str = "\
    0a790dd4c3b2a115ffffffff18082a4dfff553dbea46e7fd1f72c116e9737c487cfafc9aa40ef92c21a29642aa\
    4801ad198c6f434fd241a99925aab09b39c31e6d3edc5620063f7bf42c46db37213f5826bb92f675e9b919126a\
    2a793135785634123d4036006b450000c840480260a8ffffffffffffffff01780312084c6f6e67466173741a09\
    213062616463616665";
/// 71 %, 3.912 V, channel 12.5 %, own 0.7 %, up for a day.
pub(crate) const DEVICE: &str = "\
    0a4e0dd4c3b2a115ffffffff18082a22ffb25380ed79f09c4502e67d9d027d0409f22226c323d429e20e3ecda2\
    f4c0964b8e35785634123d4036006b450000c840480260a8ffffffffffffffff01780312084c6f6e6746617374\
    1a09213062616463616665";
/// Every field of the section: the first 1, each one more than the one before, and 0.1 more
/// where it is a float.
pub(crate) const ENVIRONMENT: &str = "\
    0aa5010dd4c3b2a115ffffffff18082a79ffb253efed79f09c450a9f7817dbc46566d459208376f36a977d28c1\
    b9f723be30bc84c0c6c95952db5f8df500a2c15b25a2424f6859aeeed8631451bf026d29a934c4af04fed79f96\
    15744caa7a0d66364b30574765579d6ea12a1bffc813d4c98b8c62e16a4374e3bce2bb974699a2ada5b82620e5\
    d5177535785634123d4036006b450000c840480260a8ffffffffffffffff01780312084c6f6e67466173741a09\
    213062616463616665";
/// Every field of the section: the first 1, each one more than the one before, and 0.1 more
/// where it is a float.
pub(crate) const POWER: &str = "\
    0a8a010dd4c3b2a115ffffffff18082a5effb253c4ed79f09c453aa27817dbc46566d459208376f36a977d28c1\
    b9f723be30bc84c0c6c95952db5ab983797b8580f1399a13b3952536acb8d0ea676eb6d502ece074f5b2e36895\
    ed64704579e546f2376702b6655f9d6ea1221b22c835785634123d4036006b450000c840480260a8ffffffffff\
    ffffff01780312084c6f6e67466173741a09213062616463616665";
/// Every field of the section: the first 1, each one more than the one before, and 0.1 more
/// where it is a float.
pub(crate) const AIR_QUALITY: &str = "\
    0a93010dd4c3b2a115ffffffff18082a67ffb253fded79f09c4532a97ddb074a4270923b0ec65b9334d67d05ba\
    832469cb08ef2be8fe8ff008fa26f72a034a819f69f517de688135ba35aa085e27fee0dc723584fdccf2b6a80e\
    b9f99971567dea7ffabc26c6e91624e2a8a397a6099fd55807ddab6deeda35785634123d4036006b450000c840\
    480260a8ffffffffffffffff01780312084c6f6e67466173741a09213062616463616665";
/// Every field of the section: the first 1, each one more than the one before, and 0.1 more
/// where it is a float.
pub(crate) const LOCAL_STATS: &str = "\
    0a5d0dd4c3b2a115ffffffff18082a31ffb253b7ed79f09c4522d77ddb022e3c75f22240a52dd52cd51508c28c\
    4c64d30bc72ed0f9a261f1970f87c09443cf526935785634123d4036006b450000c840480260a8ffffffffffff\
    ffff01780312084c6f6e67466173741a09213062616463616665";
/// Every field of the section: the first 60, each one more than the one before, and 0.1 more
/// where it is a float.
pub(crate) const HEALTH: &str = "\
    0a420dd4c3b2a115ffffffff18082a16ffb2538ced79f09c452afa7de607754715d447648b6a35785634123d40\
    36006b450000c840480260a8ffffffffffffffff01780312084c6f6e67466173741a09213062616463616665";
/// Every field of the section: the first 1, each one more than the one before, and 0.1 more
/// where it is a float.
pub(crate) const HOST: &str = "\
    0a490dd4c3b2a115ffffffff18082a1dffb2538bed79f09c4552e37ddb074a4270923b0ec65b9334d67d05ba8b\
    35785634123d4036006b450000c840480260a8ffffffffffffffff01780312084c6f6e67466173741a09213062\
    616463616665";
/// Voltage NaN and channel utilisation infinite, battery 50.
pub(crate) const NOT_A_NUMBER: &str = "\
    0a450dd4c3b2a115ffffffff18082a19ffb2538fed79f09c4502ff7de802485ab3cd2226c3ebea44d035785634\
    123d4036006b450000c840480260a8ffffffffffffffff01780312084c6f6e67466173741a0921306261646361\
    6665";
/// A request for device metrics, without any.
pub(crate) const NO_READING: &str = "\
    0a390dd4c3b2a115ffffffff18082a0dffb2539bed79f09c4502f33ddb35785634123d4036006b450000c84048\
    0260a8ffffffffffffffff01780312084c6f6e67466173741a09213062616463616665";
/// 12 over Wi-Fi, 34 over Bluetooth, up for an hour.
pub(crate) const PAX: &str = "\
    0a390dd4c3b2a115ffffffff18082a0dffd3539be843d6be3680ef3ddb35785634123d4036006b450000c84048\
    0260a8ffffffffffffffff01780312084c6f6e67466173741a09213062616463616665";
/// "Grüße 🛰" to everybody.
pub(crate) const TEXT: &str = "\
    0a3e0dd4c3b2a115ffffffff18082a12fff05390a73d0520ed8f96552a88d3ea3bb335785634123d4036006b45\
    0000c840480260a8ffffffffffffffff01780312084c6f6e67466173741a09213062616463616665";
/// "secret" to !00000007, on the channel.
pub(crate) const DIRECT_TEXT: &str = "\
    0a380dd4c3b2a1150700000018082a0cfff0539a932aa5ee4b64bb7435785634123d4036006b450000c8404802\
    60a8ffffffffffffffff01780312084c6f6e67466173741a09213062616463616665";
/// "Hut" at 48, 67, "warm", drawn as 0x1f6d6, until 1795200000.
pub(crate) const WAYPOINT: &str = "\
    0a540dd4c3b2a115ffffffff18082a28fff953bee84ad39c168cef685a74a77d533297a41b6da70f994879c88e\
    0302e16ecaf176f2fa229035785634123d4036006b450000c840480260a8ffffffffffffffff01780312084c6f\
    6e67466173741a09213062616463616665";
/// Hears !00000010 with 5.25 dB and !00000011 with -11.5 dB.
pub(crate) const NEIGHBOURS: &str = "\
    0a530dd4c3b2a115ffffffff18082a27ffb653bde89b4157a31ae3a15ddcc5506b724f04c4638519d13da5b2a8\
    736b82168f27b832b26b35785634123d4036006b450000c840480260a8ffffffffffffffff01780312084c6f6e\
    67466173741a09213062616463616665";
/// The same list as that of !00000099.
pub(crate) const NEIGHBOURS_OF_ANOTHER: &str = "\
    0a500dd4c3b2a115ffffffff18082a24ffb65382e8d6c78cfa9738f8d00f882a51b53736d66b95a4911f0afa9b\
    6163933b4e6f8135785634123d4036006b450000c840480260a8ffffffffffffffff01780312084c6f6e674661\
    73741a09213062616463616665";
/// To !00000020, after !00000010 (5 dB), a hop unknown, and !00000011 (-10.25 dB).
pub(crate) const TRACE_REQUEST: &str = "\
    0a590dd4c3b2a1152000000018082a2dffb753b9ea43d69c2e100c8a25e8595a73b22d33d7eb6af32ec2f20d75\
    8b6244fc70d87f0c05956e9a7f8bf89b35785634123d4036006b450000c840480260a8ffffffffffffffff0178\
    0312084c6f6e67466173741a09213062616463616665";
/// To !00000020, as its sender sends it: nothing added yet.
pub(crate) const TRACE_START: &str = "\
    0a320dd4c3b2a1152000000018082a06ffb7599da84e35785634123d4036006b450000c840480260a8ffffffff\
    ffffffff01780312084c6f6e67466173741a09213062616463616665";
/// From !a1b2c3d4 back to !00000020, which had asked: there over !00000010 (5 dB), which was heard
/// with 2.5 dB; back over !00000011 so far (-1 dB).
pub(crate) const TRACE_REPLY: &str = "\
    0a530dd4c3b2a1152000000018082a27ffb75380ea4bd69c2e10e177ce1d525e62b23f26e16169f32ec2f20d75\
    8b9c9236ec2780f3b26b35785634123d4036006b450000c840480260a8ffffffffffffffff01780312084c6f6e\
    67466173741a09213062616463616665";
/// Firmware 2.7.11.ee68575, a place of 13 bits at 120 m; packet id 0.
pub(crate) const MAP_REPORT: &str = "\
    0a5a0dd4c3b2a115ffffffff22350849122f0a045475726d1201541802202b2a0e322e372e31312e6565363835\
    373540014d0000951c55000005285878600d680748013d4036006b450000c840480260a8ffffffffffffffff01\
    780312084c6f6e67466173741a09213062616463616665";
/// The same with a precision of zero.
pub(crate) const MAP_REPORT_WITHOUT_PLACE: &str = "\
    0a520dd4c3b2a115ffffffff222d084912270a045475726d1201541802202b2a0e322e372e31312e6565363835\
    37354d0000951c550000052848013d4036006b450000c840480260a8ffffffffffffffff01780312084c6f6e67\
    466173741a09213062616463616665";
/// An acknowledgement: port 5.
pub(crate) const ROUTING: &str = "\
    0a390dd4c3b2a1150700000018082a0dfff4539ef84ff39f2e10f33ddb35785634123d4036006b450000c84048\
    0260a8ffffffffffffffff01780312084c6f6e67466173741a09213062616463616665";
