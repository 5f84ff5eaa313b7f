// Which MNN the declarations beside this file are of; nothing of MNN's own headers is copied here.
#pragma once

#define MNN_PUBLIC __attribute__((visibility("default")))
#define MNN_VERSION_MAJOR 3
#define MNN_VERSION_MINOR 6
#define MNN_VERSION_PATCH 1
#define MNN_VERSION "3.6.1"
