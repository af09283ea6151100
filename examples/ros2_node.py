"""A ROS 2 node that runs the policy of an exported folder: ros2_node.py FOLDER. Needs rclpy, and no locoenvs.

Subscribes odom (Odometry: orientation, and velocities along the base's axes), joint_states, cmd_vel. Once its service start was called it
publishes joint_targets at the drives' rate: position, stiffness and damping of every joint in the policy's order. A fault damps until the
next start. Drives must damp by themselves when no targets come.
"""

import math
import signal
import sys
import time

import rclpy
from geometry_msgs.msg import Twist
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

sys.path.insert(0, sys.argv[1])
from runtime import Runtime  # noqa: E402  # the folder's own


class PolicyNode(Node):
    def __init__(self):
        super().__init__("policy")
        self.runtime = Runtime(sys.argv[1], log=time.strftime("policy-%Y%m%d-%H%M%S.log"))
        self.odom, self.joints, self.asked, self.started = None, None, (-math.inf, Twist()), False
        self.create_subscription(Odometry, "odom", lambda message: setattr(self, "odom", message), 1)
        self.create_subscription(JointState, "joint_states", self.on_joints, 1)
        self.create_subscription(Twist, "cmd_vel", lambda message: setattr(self, "asked", (self.now(), message)), 1)
        self.publisher = self.create_publisher(Float64MultiArray, "joint_targets", 1)
        self.create_service(Trigger, "start", self.on_start)
        self.create_timer(self.runtime.control_dt, self.on_step)
        self.create_timer(self.runtime.physics_dt, lambda: self.tell_drives(self.now()))

    def now(self):
        return self.get_clock().now().nanoseconds * 1e-9

    def on_joints(self, message):
        seen = dict(zip(message.name, zip(message.position, message.velocity)))
        if {*self.runtime.joints} <= {*seen}:  # others publish there too, of a gripper, say
            self.joints = message.header, *zip(*(seen[name] for name in self.runtime.joints))

    def on_start(self, request, response):
        ready = self.odom is not None and self.joints is not None
        self.runtime.reset()
        first = self.runtime.step(*self.read(), self.now()).fault if ready else "no odom or no joint_states yet"
        response.message, response.success = first, not first
        self.started |= response.success
        return response

    def on_step(self):
        try:
            if self.started:
                self.runtime.step(*self.read(), self.now())
        except Exception as error:  # of this node: the runtime raises none
            self.get_logger().error(repr(error))
            self.runtime.targets(math.inf)  # from now on it damps
        self.tell_drives(self.now())

    def read(self):
        header, angles, speeds = self.joints
        q, v, w = self.odom.pose.pose.orientation, self.odom.twist.twist.linear, self.odom.twist.twist.angular
        seen = {"joint_position": angles, "joint_velocity": speeds}
        seen |= {"base_linear_velocity": [v.x, v.y, v.z], "base_angular_velocity": [w.x, w.y, w.z]}
        down = [2 * (q.w * q.y - q.x * q.z), -2 * (q.w * q.x + q.y * q.z), 2 * (q.x**2 + q.y**2) - 1]
        arrival, asked = self.asked
        asked = asked if self.now() - arrival <= 0.5 else Twist()  # who gave an older command may be gone
        seen |= {"projected_gravity": down, "command": [asked.linear.x, asked.linear.y, asked.angular.z]}
        return min(each.stamp.sec + 1e-9 * each.stamp.nanosec for each in (header, self.odom.header)), seen

    def tell_drives(self, now):
        targets = self.runtime.targets(now)
        if self.started:
            self.publisher.publish(Float64MultiArray(data=[*targets.position, *targets.stiffness, *targets.damping]))


if __name__ == "__main__":
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)  # what is published at the end still goes out
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    node = PolicyNode()
    try:
        rclpy.spin(node)
    finally:
        node.tell_drives(math.inf)  # damping
