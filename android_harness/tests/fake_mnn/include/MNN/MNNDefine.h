// Like MNN's header of this name, as far as the runner uses it.
#pragma once

#define MNN_PUBLIC __attribute__((visibility("default")))
#define MNN_TEXT_OF(x) #x
#define MNN_TEXT(x) MNN_TEXT_OF(x)
#define MNN_VERSION_MAJOR 3
#define MNN_VERSION_MINOR 6
#define MNN_VERSION_PATCH 1
#define MNN_VERSION \
  MNN_TEXT(MNN_VERSION_MAJOR) "." MNN_TEXT(MNN_VERSION_MINOR) "." MNN_TEXT(MNN_VERSION_PATCH)
