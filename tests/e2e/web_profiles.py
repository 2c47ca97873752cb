"""Names of the profiles of emojivoto's Deployment `web`, and the annotations of its Pods."""

WEB = "9b9e16387237056ac52a193ffbd6d695831cfe7f"
CPU, MEMORY = f"cpuprofile-{WEB}", f"memprofile-{WEB}"
WEB_TO_EMOJI = "connprofile-fc09272092ec5b7073153c9134d0156117451784"
WEB_TO_VOTING = "connprofile-b2d1d9faa4282ddf04a37d45d30192f1d6bbdb33"
BOT_TO_WEB = "connprofile-d4cb52bc5247b3dd31773292d8853db6eb96466b"
ANNOTATIONS_OF_WEB = {
    "liqo.io/cpuProfile": CPU,
    "liqo.io/memoryProfile": MEMORY,
    "liqo.io/connectionProfile0": WEB_TO_VOTING,
    "liqo.io/connectionProfile1": BOT_TO_WEB,
    "liqo.io/connectionProfile2": WEB_TO_EMOJI,
}
