# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Findings about what a camera and its detector publish."""

from __future__ import annotations

from spatialgeo_ros.findings.entry import Entry
from spatialgeo_ros.findings.finding import Level

_OK, _WARN, _ERROR = Level.OK, Level.WARN, Level.ERROR

CAMERAS: tuple[Entry, ...] = (
    Entry(
        "image-missing",
        _ERROR,
        "Requests fail with NO_FRAME.",
        "The camera's driver does not run, publishes under another name, or in another domain.",
        "Nobody publishes the image topic that the node's parameters name.",
        "`ros2 topic list | grep image`, then set `<camera>.image_topic` (launch: "
        "`image_topic:=`), or start the driver",
    ),
    Entry(
        "image-type",
        _ERROR,
        "Requests fail with NO_FRAME although the topic is listed.",
        "DDS connects topics of one name and type only: a raw subscription never meets "
        "compressed images, and nobody says so.",
        "The publishers of the topic, or of its neighbour `/compressed`, have another type.",
        "set `<camera>.image_transport` to what is published, and `<camera>.image_topic` to "
        "the name without `/compressed`",
    ),
    Entry(
        "image-silent",
        _ERROR,
        "Requests fail with NO_FRAME or STALE_FRAME although the driver runs.",
        "The sensor is unplugged or paused, or the driver waits for its first subscriber.",
        "The publisher is on the graph with the right type, and no message comes.",
        "look at the driver's log, and plug the camera in again or restart its driver",
    ),
    Entry(
        "image-unusable",
        _ERROR,
        "Requests fail with BAD_IMAGE.",
        "An encoding that is no picture, a message that is shorter than its size says, or a "
        "damaged JPEG.",
        "The newest images are decoded as the node does it.",
        "let the driver publish rgb8, bgr8, mono8 or another encoding of docs/sensors.md",
    ),
    Entry(
        "images-lost",
        _WARN,
        "Answers lag, diagnostics show a rate below the driver's.",
        "Camera topics are best effort: what does not fit into a buffer is dropped in "
        "silence. Fast DDS's usual shared-memory segment holds 512 kB, less than one image.",
        "The stamps show a clearly higher rate than what arrives. With a running node its own "
        "count is taken.",
        "`export FASTRTPS_DEFAULT_PROFILES_FILE=share/spatialgeo_ros/config/fastdds.xml` (and "
        "FASTDDS_DEFAULT_PROFILES_FILE) for driver and node, or `<camera>.image_transport` "
        "compressed",
    ),
    Entry(
        "images-slow",
        _WARN,
        "Answers are seconds old, or are refused as STALE_FRAME.",
        "The driver runs at a very low frame rate.",
        "Fewer than one image a second is stamped.",
        "raise the frame rate in the driver's parameters",
    ),
    Entry(
        "stamps-zero",
        _WARN,
        "No poses, no depth beside the image, no object map.",
        "The driver does not fill header.stamp.",
        "The newest image has the stamp 0.",
        "let the driver stamp its images with the time of exposure",
    ),
    Entry(
        "stamps-still",
        _WARN,
        "Every image but one is dropped.",
        "The driver repeats one stamp.",
        "The last eight images have one stamp.",
        "let the driver stamp each image anew",
    ),
    Entry(
        "stamps-backwards",
        _WARN,
        "Images are dropped, or what is remembered is forgotten again and again.",
        "A bag that loops without /clock, a driver that sorts nothing, a clock that is set back.",
        "A stamp is older than the one before.",
        "play bags with `--clock` and set `use_sim_time` to true; let drivers stamp in order",
    ),
    Entry(
        "stamps-clock",
        _WARN,
        "No pose at the image's stamp; ages of answers are wrong.",
        "The camera's computer has another time, or a recording plays while the node takes "
        "the system's time.",
        "The stamps are compared with the clock that the node uses as the images arrive: more "
        "than 1 s behind or 0.1 s ahead of it.",
        "`chronyc tracking` on both machines; for recordings `use_sim_time` true and `ros2 "
        "bag play --clock`",
    ),
    Entry(
        "frame-id-empty",
        _WARN,
        "No pose from TF; RViz shows nothing that is measured.",
        "The driver does not fill header.frame_id.",
        "The images' frame_id is empty.",
        "set the driver's frame id (often `frame_id` or `camera_frame_id`) to the optical frame",
    ),
    Entry(
        "publishers-several",
        _WARN,
        "Numbers jump; stamps go backwards.",
        "Two drivers, two robots without namespaces, or a bag beside the live camera.",
        "A topic that has one source has several publishers.",
        "start each robot in a namespace of its own, or stop the other publisher (`ros2 topic "
        "info -v TOPIC` names both)",
    ),
    Entry(
        "camera-info-missing",
        _ERROR,
        "Nothing can be measured: NO_CAMERA_INFO.",
        "The driver has no calibration, or publishes it under another name.",
        "Nobody publishes the topic of the calibration.",
        "set `<camera>.camera_info_topic`, or calibrate the camera and let its driver publish "
        "the result",
    ),
    Entry(
        "camera-info-type",
        _ERROR,
        "NO_CAMERA_INFO although the topic is listed.",
        "Another type is published under this name.",
        "The types of the topic's publishers.",
        "set `<camera>.camera_info_topic` (or `depth_camera_info_topic`) to the CameraInfo",
    ),
    Entry(
        "camera-info-silent",
        _ERROR,
        "NO_CAMERA_INFO although somebody publishes the topic.",
        "The driver publishes the calibration only with images, or has lost its file.",
        "A publisher is there, and nothing comes, latched or not.",
        "look at the driver's log for its calibration file (camera_info_url)",
    ),
    Entry(
        "camera-info-latched",
        _ERROR,
        "NO_CAMERA_INFO when the node starts after the driver.",
        "The calibration is published once, transient local. A subscription that is volatile, "
        "as those of sensor data are, gets only what comes after it.",
        "A subscription that asks for what was before gets the message, the node's does not.",
        "set `qos_overrides./TOPIC.subscription.durability` to transient_local and "
        "`.reliability` to reliable",
    ),
    Entry(
        "camera-info-stamps",
        _OK,
        "Nodes that synchronise image and calibration (image_proc) get nothing.",
        "The driver stamps its calibration anew.",
        "The stamp of the calibration is compared with those of the images around it.",
        "let the driver give both one header",
    ),
    Entry(
        "calibration-refused",
        _ERROR,
        "Nothing can be measured: NO_CAMERA_INFO with a reason.",
        "K is that of another resolution, is not filled in, or its lens model is not known; a "
        "wrong calibration gives sure numbers that are wrong.",
        "Size, region of interest, focal lengths, principal point and lens are judged against "
        "the image (docs/sensors.md).",
        "publish the calibration of this image size (calibrate again after a change of resolution)",
    ),
    Entry(
        "calibration-doubtful",
        _WARN,
        "Numbers may be off by a constant factor.",
        "The calibration is for another size of the same aspect ratio, or unusual.",
        "The same judgement as calibration-refused, in its milder half.",
        "publish the calibration of exactly this image size",
    ),
    Entry(
        "depth-missing",
        _OK,
        "Distances come from a network, or not at all.",
        "There is no depth camera, or its topic has another name.",
        "Nobody publishes the depth topic.",
        "set `<camera>.depth_topic` (launch: `depth_topic:=`; `none` for none)",
    ),
    Entry(
        "depth-needed",
        _WARN,
        "Requests fail with NO_DEPTH.",
        "No depth camera, and no network that estimates depth.",
        "Nobody publishes the depth topic, and `profile` is none.",
        "set `<camera>.depth_topic`, or `profile` to one with a geometry network (`spatialgeo "
        "models download moge2_s`)",
    ),
    Entry(
        "depth-type",
        _WARN,
        "No depth although the topic is listed.",
        "Depth is published in another transport or type.",
        "The publishers of the topic, or of its neighbour `/compressedDepth`, have another type.",
        "set `<camera>.depth_transport` to what is published",
    ),
    Entry(
        "depth-silent",
        _WARN,
        "Images wait for depth and go without it.",
        "The depth stream is off, or stopped.",
        "Its publisher is there, and nothing comes.",
        "enable the depth stream in the driver (RealSense: `enable_depth:=true`)",
    ),
    Entry(
        "depth-stamps",
        _WARN,
        "Depth arrives and is not used; answers say so in `degraded`.",
        "Colour and depth are exposed at different times, or stamped by different clocks.",
        "The nearest stamp of depth is farther than `depth_slop` from each image.",
        "synchronise the streams in the driver (RealSense: `enable_sync:=true`), or raise "
        "`depth_slop`",
    ),
    Entry(
        "depth-frame-missing",
        _WARN,
        "Depth is taken as registered without proof.",
        "Depth or image has an empty frame_id.",
        "The frame_ids are compared.",
        "let the driver fill header.frame_id, or set `<camera>.depth_registered` to true if it is",
    ),
    Entry(
        "depth-registered-here",
        _OK,
        "The node registers depth itself, which costs some milliseconds an image.",
        "Depth has its own calibration and place.",
        "The registration that was decided on.",
        "let the driver publish registered depth where it can do so cheaper",
    ),
    Entry(
        "depth-not-registered",
        _ERROR,
        "Depth is not used; objects would get the depth of what lies beside them.",
        "Depth has another frame, lens or aspect ratio than the image.",
        "frame_ids, sizes and calibrations of both are compared (docs/sensors.md).",
        "RealSense: `align_depth.enable:=true` and take `aligned_depth_to_color/image_raw`; "
        "or set `<camera>.depth_camera_info_topic` and publish TF between both; or "
        "`<camera>.depth_registered` true if it is registered",
    ),
    Entry(
        "depth-misaligned",
        _WARN,
        "Distances to small things are those of what is behind or beside them.",
        "Depth says that it belongs to the image's pixels, and does not: a driver that copies "
        "the frame and calibration of the colour camera, or a delay while the camera moves.",
        "Jumps of depth are laid over the edges of the image: they fit clearly better at "
        "another place or size.",
        "publish registered depth (RealSense: `align_depth.enable:=true`), or give the "
        "depth's own calibration by `<camera>.depth_camera_info_topic`",
    ),
    Entry(
        "depth-unit",
        _WARN,
        "Every distance is off by one factor: 4, 5, 10 or 1000.",
        "Depth is not in millimetres (16UC1) or metres (32FC1).",
        "The floor lies where pose or mount have it in another unit only, the median depth is "
        "impossible, or every reading is out of range.",
        "set `<camera>.depth_scale` to the metres of one unit (L515 0.00025, D405 0.0001, TUM "
        "0.0002)",
    ),
    Entry(
        "depth-unusable",
        _ERROR,
        "Depth is not used.",
        "An encoding that is no depth, or a message that is damaged.",
        "Depth images are decoded as the node does it.",
        "publish 16UC1 or 32FC1 (compressedDepth: png)",
    ),
    Entry(
        "depth-empty",
        _WARN,
        "Nothing is measured by depth.",
        "The sensor is covered or too near, its projector is off, or it sees only glass and sun.",
        "No pixel of the depth image has a reading.",
        "look at the depth in RViz; RealSense: `depth_module.emitter_enabled:=1`",
    ),
    Entry(
        "detections-type",
        _WARN,
        "Things are not found by the robot's own detector.",
        "The detector publishes another type than vision_msgs/Detection2DArray.",
        "The types of the topic's publishers.",
        "set `<camera>.detections_topic` to a vision_msgs/Detection2DArray",
    ),
    Entry(
        "detections-silent",
        _OK,
        "The profile's own grounding looks instead.",
        "The detector runs and publishes nothing, as many do when they see nothing.",
        "A publisher is there, and nothing comes.",
        "look at the detector's log",
    ),
    Entry(
        "detections-late",
        _WARN,
        "PHRASE_NOT_FOUND although the detector works.",
        "Boxes come after the image they were drawn on has been dropped.",
        "Stamps of boxes are older than the oldest image that is kept.",
        "raise `frame_history`, or make the detector faster",
    ),
    Entry(
        "detections-behind",
        _OK,
        "Things are measured where they were some tenths of a second ago.",
        "The detector is slow.",
        "The typical time between an image and its boxes is beyond `detections_wait`.",
        "make the detector faster (smaller network, GPU)",
    ),
    Entry(
        "detections-stamps",
        _WARN,
        "PHRASE_NOT_FOUND although the detector works.",
        "The detector stamps its messages with the time of publishing, or not at all.",
        "Stamps of boxes are compared with those of the images.",
        "let the detector copy the header of the image it looked at",
    ),
    Entry(
        "detections-labels",
        _WARN,
        'PHRASE_NOT_FOUND: nothing is called "17".',
        "The detector publishes numbers of classes, or no class at all.",
        "Numbers have no name in the list of the parameters or of the VisionInfo, or all "
        "labels are empty.",
        "set `<camera>.detection_labels` or `<camera>.vision_info_topic`, or let the detector "
        "publish the names of its classes",
    ),
    Entry(
        "detections-boxes",
        _WARN,
        "Things are measured at the wrong place, or not found.",
        "Boxes are shares of the image, pixels of the network's input, or of no size at all.",
        "Corners of boxes are compared with each other and with the size of the image.",
        "let the detector publish pixels of the original image",
    ),
)
